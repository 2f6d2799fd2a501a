// A folder in memory whose files a fuzz target writes and a reader reads.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "tests/fuzz/must.hpp"

namespace foal_fuzz {

class input_folder {
 public:
  input_folder() {
    std::error_code none;
    bool const in_memory = std::filesystem::is_directory("/dev/shm", none) && ::access("/dev/shm", W_OK) == 0;
    path_ = (in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) / "foal-fuzz-XXXXXX";
    must(mkdtemp(path_.data()) != nullptr, "no temporary folder");
  }
  input_folder(input_folder const&) = delete;
  input_folder& operator=(input_folder const&) = delete;
  ~input_folder() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }

  std::string const& path() const { return path_; }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }

  /// Makes a file of it with this content.
  void put(std::string const& name, std::string_view content) const {
    int const to = ::open((*this / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(to >= 0 && ::write(to, content.data(), content.size()) == static_cast<ssize_t>(content.size()) && ::close(to) == 0,
         "no room for the input");
  }

 private:
  std::string path_;
};

inline std::string_view text_of(std::uint8_t const* data, std::size_t size) {
  return {reinterpret_cast<char const*>(data), size};
}

/// Takes the first byte off, 0 where there is none: what a target does with the rest.
inline unsigned take_byte(std::string_view& from) {
  if (from.empty()) return 0;
  unsigned const first = static_cast<unsigned char>(from[0]);
  from.remove_prefix(1);
  return first;
}

/// Cuts `from` in two at a place that its first byte says, in 256ths.
inline std::string_view take_part(std::string_view& from) {
  std::size_t const at = take_byte(from) * from.size() / 256;
  std::string_view const part = from.substr(0, at);
  from.remove_prefix(at);
  return part;
}

}  // namespace foal_fuzz
