// What tests of files share: a directory that goes away, file bytes, and the check that damage gives a sentence.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>

#include "tests/support/sanitized.hpp"

namespace foal_test {

using bytes = std::vector<std::uint8_t>;

class temporary_directory {
 public:
  temporary_directory() {
    path_ = (std::filesystem::temp_directory_path() / "foal-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary directory");
  }
  temporary_directory(temporary_directory const&) = delete;
  temporary_directory& operator=(temporary_directory const&) = delete;
  ~temporary_directory() { std::filesystem::remove_all(path_); }

  std::string const& path() const { return path_; }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write(std::string const& path, bytes const& content) {
  // Some file systems flush a file that is truncated and written again to the disk at once; a new one they do not.
  std::filesystem::remove(path);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<char const*>(content.data()), static_cast<std::streamsize>(content.size()));
}

inline bytes read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string text_of(std::string const& path) {
  bytes const content = read(path);
  return {content.begin(), content.end()};
}

/// The sentence with which `load` fails, or "" if it succeeds. Anything but a foal::error escapes, and so fails the test.
template <class Load>
std::string complaint(Load load) {
  try {
    load();
    return "";
  } catch (foal::error const& e) {
    std::string const what = e.what();
    INFO(what);
    CHECK(what.rfind("cannot ", 0) == 0);
    CHECK(what.find(", because ") != std::string::npos);
    CHECK(what.find("; ") != std::string::npos);
    return what;
  }
}

/// The same for a user who may read only what everyone may: root may read all. In a process of its own.
template <class Load>
std::string complaint_of_a_stranger(Load load) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string said = "no foal::error";
    try {
      if (geteuid() == 0 && seteuid(65534) != 0) throw foal::error("cannot become another user");
      load();
      said = "";
    } catch (foal::error const& e) {
      said = e.what();
    } catch (...) {
    }
    ssize_t const written = ::write(ends[1], said.data(), said.size());
    _exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  char part[1024];
  while (ssize_t const n = ::read(ends[0], part, sizeof part)) {
    REQUIRE(n > 0);
    said.append(part, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return said;
}

/// Every proper prefix of the file must be refused. Leaves the file whole.
template <class Load>
void refuses_truncations(std::string const& path, Load load) {
  bytes const whole = read(path);
  for (std::size_t n = 0; n < whole.size(); n += n < 300 ? 1 : repeats(1U, 17U)) {
    write(path, bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    INFO("first " << n << " of " << whole.size() << " bytes of " << path);
    REQUIRE(complaint(load).find(path) != std::string::npos);
  }
  write(path, whole);
  REQUIRE(complaint(load).empty());
}

/// Changes, inserts or removes one to four bytes, `times` times over; each time `load` gives a sentence or a result that it
/// accepts itself. Returns how many were refused. Leaves the file whole.
template <class Load>
int survives_mutations(std::string const& path, int times, Load load) {
  bytes const whole = read(path);
  int refused = 0;
  for (int t = 0; t < times; ++t) {
    foal::random_key const key{7, foal::purpose::user, 0, static_cast<std::uint64_t>(t)};
    bytes changed = whole;
    std::uint32_t next = 0;
    auto const draw = [&](std::size_t n) { return static_cast<std::size_t>(foal::random_word(key, next++)) % n; };
    for (std::size_t change = 0, changes = 1 + draw(4); change < changes && !changed.empty(); ++change) {
      // Half of the changes hit the first bytes, where the headers are.
      std::size_t const at = draw(2) == 0 ? draw(changed.size()) : draw(std::min<std::size_t>(changed.size(), 24));
      auto const place = changed.begin() + static_cast<std::ptrdiff_t>(at);
      std::size_t const kind = draw(10);
      if (kind == 0)
        changed.erase(place);
      else if (kind == 1)
        changed.insert(place, static_cast<std::uint8_t>(draw(256)));
      else
        *place = static_cast<std::uint8_t>(draw(256));
    }
    write(path, changed);
    INFO("mutation " << t << " of " << path);
    if (!complaint(load).empty()) ++refused;
  }
  write(path, whole);
  REQUIRE(complaint(load).empty());
  return refused;
}

}  // namespace foal_test
