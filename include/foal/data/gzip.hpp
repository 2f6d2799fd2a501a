// Reads gzip-compressed files; the only header that needs zlib. Use: data::idx(directory, data::gzip{}).
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <foal/core/checked.hpp>
#include <foal/core/error.hpp>
#include <foal/data/file.hpp>

namespace foal::data {

/// The gzip format (RFC 1952), checked by its length and checksum when the end is reached.
struct gzip {
  static constexpr char const* suffix = ".gz";

  /// A data::file whose bytes are unpacked while they are read.
  class file {
   public:
    static constexpr bool exact = false;

    /// Throws foal::error if the file cannot be read or is not of the gzip format.
    explicit file(std::string path) : path_(std::move(path)) {
      data::file packed(path_);
      unsigned char magic[2] = {};
      std::size_t const got = packed.read(magic, 2);
      require(got == 2 && magic[0] == 0x1FU && magic[1] == 0x8BU, "cannot read ", path_,
              ", because its first two bytes are ", got > 0 ? int{magic[0]} : -1, " and ", got > 1 ? int{magic[1]} : -1,
              " (-1: none) where a gzip file has 31 and 139; rename it if it is not compressed, or fetch it again");
      packed_size_ = packed.most();
      handle_.reset(gzopen(path_.c_str(), "rb"));
      require(handle_ != nullptr, "cannot open ", path_, ", because zlib has no memory or the file is gone; try again");
    }

    std::string const& path() const { return path_; }

    /// Deflate packs at most 1032 bytes into one.
    std::uint64_t most() const { return saturating_product(packed_size_, 1032); }

    /// Reads up to n unpacked bytes; less only at the end.
    std::size_t read(void* to, std::size_t n) {
      std::size_t have = 0;
      while (have < n) {
        auto const want = static_cast<unsigned>(std::min<std::size_t>(n - have, 1U << 30U));
        int const got = gzread(handle_.get(), static_cast<char*>(to) + have, want);
        int status = Z_OK;
        char const* const why = gzerror(handle_.get(), &status);
        require(got >= 0 && (status == Z_OK || status == Z_STREAM_END), "cannot unpack ", path_, ", because after ",
                total_ + have, " bytes zlib says: ", why, "; fetch the file again");
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
      }
      total_ += have;
      return have;
    }

   private:
    struct close {
      void operator()(gzFile f) const { static_cast<void>(gzclose(f)); }
    };

    std::string path_;
    std::uint64_t packed_size_ = 0, total_ = 0;
    std::unique_ptr<gzFile_s, close> handle_;
  };
};

}  // namespace foal::data
