// Copies of a run's parts in the memory of machines: each process keeps its own, and those of the process before it. What
// one machine loses, another one has.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/digest.hpp>
#include <foal/checkpoint/directory_lock.hpp>
#include <foal/checkpoint/shared_save.hpp>
#include <foal/data/file.hpp>

namespace foal::checkpoint {

/// Which copy: the part of process `part` of `parts`, kept by process `holder` of these.
struct memory_copy {
  std::uint64_t update = 0;
  int parts = 1, part = 0, holder = 0;
  auto operator<=>(memory_copy const&) const = default;
};

/// What one machine has in its memory of the fits that write to one directory: a folder for each process that has kept
/// something, "process-002-of-004", with a checkpoint's folder for each update, in which parts have the names and the marks
/// that they have on the disk.
class memory_folder {
 public:
  /// Of the fit whose directory this is, as long as that is not made anew. memory: a directory of files in memory. Throws
  /// foal::error where another user has what would be its place.
  memory_folder(std::string const& memory, std::string const& identity) : path_(memory + "/foal-" + identity) {
    struct stat there {};
    require(::lstat(path_.c_str(), &there) != 0 || (S_ISDIR(there.st_mode) && there.st_uid == ::geteuid()),
            "cannot keep copies in ", path_, ", because it is another user's; name another .memory");
  }
  /// What tells a directory that is locked here from others, and behind the dash from one of its name that is made later.
  static std::string identity_of(std::string const& directory) {
    struct stat lock {};
    std::string const path = directory + "/" + lock_name;
    std::unique_ptr<char, void (*)(void*)> const whole(::realpath(directory.c_str(), nullptr), std::free);
    if (!whole || ::stat(path.c_str(), &lock) != 0) detail::fail_on("read", path);
    std::uint64_t const made[] = {static_cast<std::uint64_t>(lock.st_ino), static_cast<std::uint64_t>(lock.st_mtim.tv_sec),
                                  static_cast<std::uint64_t>(lock.st_mtim.tv_nsec)};
    return digest_of_array(whole.get(), std::strlen(whole.get())) + "-" + digest_of_array(made, sizeof made);
  }
  /// Removes what is there of directories of the same name that were made before.
  static void forget_older(std::string const& memory, std::string const& identity) {
    std::string const prefix = "foal-", same = prefix + identity.substr(0, identity.find('-') + 1);
    for (std::string const& name : detail::names_in(memory))
      if (name.starts_with(same) && name != prefix + identity) memory_folder(memory, name.substr(prefix.size())).clear();
  }

  std::string folder(memory_copy const& c) const {
    return path_ + "/" + holder_name(c.holder, c.parts) + "/" + step_folder(c.update);
  }
  /// The file of a copy, by the name that it has on the disk.
  std::string file(memory_copy const& c, std::string const& name) const { return folder(c) + "/" + name; }

  /// Keeps a part: its two files, then its mark.
  void keep(memory_copy const& c, std::string_view weights, std::string_view run, std::string_view mark) const {
    detail::make_folder(folder(c));
    share_names const name(c.part);
    write_file(file(c, name.weights), weights);
    write_file(file(c, name.run), run);
    write_file(file(c, name.mark), mark);
  }
  /// Removes what a process has kept of other updates than these.
  void keep_only(int holder, int parts, std::vector<std::uint64_t> const& updates) const {
    std::string const own = path_ + "/" + holder_name(holder, parts);
    for (std::uint64_t const update : detail::updates_in(own))
      if (std::find(updates.begin(), updates.end(), update) == updates.end()) detail::remove_checkpoint(own, update);
  }
  /// Removes all copies but those of so many processes; 0: all. Others may do it at the same time.
  void clear(int parts = 0) const {
    for (std::string const& name : detail::names_in(path_)) {
      auto const of = holder_of(name);
      if (!of || of->parts == parts) continue;
      std::string const own = path_ + "/" + name;
      for (std::uint64_t const update : detail::updates_in(own)) detail::remove_checkpoint(own, update);
      static_cast<void>(::rmdir(own.c_str()));
    }
    static_cast<void>(::rmdir(path_.c_str()));
  }

  /// All copies that are there with their marks.
  std::vector<memory_copy> copies() const {
    std::vector<memory_copy> all;
    for (std::string const& name : detail::names_in(path_)) {
      auto const of = holder_of(name);
      if (!of) continue;
      for (std::uint64_t const update : detail::updates_in(path_ + "/" + name))
        for (int const part : {of->holder, (of->holder > 0 ? of->holder : of->parts) - 1}) {
          memory_copy c = *of;
          c.update = update;
          c.part = part;
          bool const known = std::find(all.begin(), all.end(), c) != all.end();
          if (!known && what_is(file(c, share_names(part).mark)) != under_name::nothing) all.push_back(c);
        }
    }
    return all;
  }

 private:
  static std::string holder_name(int holder, int parts) {
    auto const number = [](int n) {
      std::string digits = std::to_string(n);
      return std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
    };
    return mark_prefix + number(holder) + "-of-" + number(parts);
  }
  static std::optional<memory_copy> holder_of(std::string_view name) {
    std::string_view const prefix = mark_prefix, between = "-of-";
    if (!name.starts_with(prefix) || name.find(between) == name.npos) return {};
    memory_copy c;
    std::size_t const at = name.find(between);
    std::from_chars(name.data() + prefix.size(), name.data() + at, c.holder);
    std::from_chars(name.data() + at + between.size(), name.data() + name.size(), c.parts);
    if (c.parts < 1 || c.holder < 0 || c.holder >= c.parts || holder_name(c.holder, c.parts) != name) return {};
    return c;
  }

  std::string path_;
};

/// The newest update of which each part is somewhere, newer than `than`, and who has which: copies, by part, of the process
/// that keeps it for itself where that one is there. has: by process, what it says. Empty: there is none.
struct found_copies {
  struct kept {
    memory_copy copy{};
    int by = 0;        ///< process that says so
    bool all = false;  ///< every process has it, in the one memory of one machine
  };
  std::vector<kept> parts;

  static found_copies newest(std::vector<std::vector<memory_copy>> const& has, std::uint64_t than) {
    std::map<std::pair<std::uint64_t, int>, std::map<int, std::map<memory_copy, std::set<int>>>> by;  // update, parts; part
    for (std::size_t p = 0; p < has.size(); ++p)
      for (memory_copy const& c : has[p])
        if (c.update > than) by[{c.update, c.parts}][c.part][c].insert(static_cast<int>(p));
    found_copies found;
    for (auto at = by.rbegin(); at != by.rend() && found.parts.empty(); ++at) {
      if (static_cast<int>(at->second.size()) != at->first.second) continue;
      for (auto const& [part, copies] : at->second) {
        auto const own =
            std::find_if(copies.begin(), copies.end(), [part = part](auto const& c) { return c.first.holder == part; });
        auto const& [copy, who] = own != copies.end() ? *own : *copies.begin();
        found.parts.push_back({copy, *who.begin(), who.size() == has.size()});
      }
    }
    return found;
  }
};

/// A file's bytes. Throws foal::error where it cannot be read.
inline std::string bytes_of_file(std::string const& path) {
  data::file from(path);
  std::string text(from.most(), ' ');
  require(from.read(text.data(), text.size()) == text.size(), "cannot read ", path,
          ", because it has become shorter; the file changed while it was read, try again");
  return text;
}

}  // namespace foal::checkpoint
