// Packed files of any content are unpacked whole, or refused with a sentence.
//
// The first byte: 0 mod 2, the rest is a packed file; else the rest is what is packed, in blocks as they are.
#include <foal/data/gzip.hpp>
#include <foal/data/idx.hpp>

#include "tests/fuzz/input_folder.hpp"

namespace {

std::string packed(std::string_view content) {
  z_stream z{};
  foal_fuzz::must(deflateInit2(&z, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "zlib does not begin");
  std::string input(content), out(deflateBound(&z, static_cast<uLong>(content.size())), '\0');
  z.next_in = reinterpret_cast<Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  foal_fuzz::must(deflate(&z, Z_FINISH) == Z_STREAM_END, "zlib does not end");
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static foal_fuzz::input_folder const folder;
  std::string_view rest = foal_fuzz::text_of(data, size);
  bool const plain = foal_fuzz::take_byte(rest) % 2 == 1;
  std::string const path = folder / "file.gz";
  folder.put("file.gz", plain ? packed(rest) : std::string(rest));
  try {
    foal::data::gzip::file from(path);
    std::string all(plain ? rest.size() + 1 : 300000, '\0');
    std::size_t const got = from.read(all.data(), all.size());
    if (plain) foal_fuzz::must(all.substr(0, got) == rest, "other bytes than were packed");
    foal_fuzz::must(got <= from.most(), "more bytes than deflate can pack");
  } catch (foal::error const&) {
    foal_fuzz::must(!plain, "a whole file is refused");
  }
  for (int const rank : {1, 3}) try {
      foal::data::detail::idx_file const f = foal::data::detail::read_idx(foal::data::gzip::file(path), rank, "image", true);
      std::uint64_t n = 1;
      for (std::uint32_t const e : f.extent) n *= e;
      foal_fuzz::must(f.bytes.size() == n, "another number of bytes than the header says");
    } catch (foal::error const&) {
    }
  return 0;
}
