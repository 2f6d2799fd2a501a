// A directory of checkpoints, one folder for each: which is the newest whole one, and which may go.
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/manifest.hpp>
#include <foal/core/file.hpp>
#include <foal/core/partial_file.hpp>
#include <foal/core/sync_folder.hpp>

namespace foal::checkpoint {

/// The folder of the checkpoint that was taken after `update` updates: "step-000000001200".
inline std::string step_folder(std::uint64_t update) {
  std::string const digits = std::to_string(update);
  return "step-" + std::string(digits.size() < 12 ? 12 - digits.size() : 0, '0') + digits;
}

/// How much of the parts is read before a checkpoint counts as whole.
enum class reading {
  headers,   ///< their lengths, and their headers with the digests in them
  contents,  ///< every byte
};

/// Of what a checkpoint is refused for a reason of the caller's: gives the reason, "" where there is none.
using manifest_check = std::function<std::string(manifest const&)>;

/// Refuses those of runs with another fingerprint.
inline manifest_check of_run(report::fingerprint run) {
  return [run = std::move(run)](manifest const& m) {
    return report::difference(run, m.run, {"in this run", "in that one"});
  };
}

namespace detail {

struct close_directory {
  void operator()(DIR* d) const { static_cast<void>(::closedir(d)); }
};

/// The names in a folder, but for . and ..; empty where the folder is not there.
inline std::vector<std::string> names_in(std::string const& folder) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, close_directory> const all(::opendir(folder.c_str()));
  if (!all && errno == ENOENT) return names;
  while (all) {
    errno = 0;
    dirent const* const entry = ::readdir(all.get());
    if (entry == nullptr) break;
    std::string_view const name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  require(errno == 0, "cannot list ", folder, ", because the system says: ", std::strerror(errno),
          "; name a directory of checkpoints");
  return names;
}

/// The updates of the checkpoints in a directory, whole or not, the newest first.
inline std::vector<std::uint64_t> updates_in(std::string const& directory) {
  std::vector<std::uint64_t> updates;
  for (std::string const& name : names_in(directory)) {
    std::uint64_t update = 0;
    if (name.rfind("step-", 0) != 0) continue;
    std::from_chars(name.data() + 5, name.data() + name.size(), update);
    if (name == step_folder(update) && what_is(directory + "/" + name) == under_name::folder) updates.push_back(update);
  }
  std::sort(updates.begin(), updates.end(), std::greater<>());
  return updates;
}

/// Throws foal::error unless a file is the part that a manifest says.
inline void check_part(std::string const& folder, part const& p, reading how) {
  std::string const path = folder + "/" + p.file;
  require_file(path);
  struct stat there {};
  if (::stat(path.c_str(), &there) == 0) {
    auto const bytes = static_cast<std::uint64_t>(there.st_size);
    require(bytes == p.mark.bytes, "cannot read ", path, ", because it has ", bytes, " bytes where ", p.mark.bytes,
            " are expected; use another one");
  }
  safetensors_reader from(path);
  require(from.mark() == p.mark, "cannot read ", path, ", because the digest of its header is ", from.mark().digest,
          " where ", p.mark.digest, " is expected; use another one");
  require(from.about().contains(digest_key), "cannot read ", path, ", because it has no ", digest_key, "; use another one");
  if (how == reading::contents)
    from.read([](stored_tensor const&) { return static_cast<std::uint8_t*>(nullptr); }, [](stored_tensor const&) {});
}

/// Reads the manifest of a checkpoint and judges its parts. Gives why it cannot be used, without an advice; "": it is whole.
inline std::string fault_of(std::string const& folder, std::uint64_t update, reading how, manifest& found,
                            manifest_check const& check = {}) {
  std::string const path = folder + "/" + manifest_name;
  if (what_is(path) == under_name::nothing)
    return sentence("cannot use ", folder, ", because it has no ", manifest_name, ": nobody has finished it");
  try {
    found = read_manifest(path);
    if (found.update != update)
      return sentence("cannot use ", folder, ", because its manifest is of update ", found.update, " where ", update,
                      " is expected");
    if (std::string const other = check ? check(found) : std::string(); !other.empty())
      return sentence("cannot use ", folder, ", because it is of another run: ", other);
    for (part const& p : found.parts) check_part(folder, p, how);
  } catch (error const& e) {
    std::string const what = e.what();
    return what.substr(0, what.rfind("; "));
  }
  return "";
}

/// Whether a file in a checkpoint's folder is one that foal writes there, or what is left of one that was being written.
inline bool is_of_checkpoint(std::string_view name) {
  constexpr std::string_view mark = ".partial-", digits = "0123456789abcdef";
  if (std::size_t const at = name.rfind(mark); at != std::string_view::npos &&
                                               name.size() == at + mark.size() + foal::detail::partial_digits &&
                                               name.find_first_not_of(digits, at + mark.size()) == std::string_view::npos)
    name = name.substr(0, at);
  return name == manifest_name || is_part_name(name) || (name.starts_with(mark_prefix) && name.ends_with(".json"));
}

[[noreturn]] inline void fail_on(char const* doing, std::string const& path) {
  throw error(
      sentence("cannot ", doing, " ", path, ", because the system says: ", std::strerror(errno), "; check the disk"));
}

inline void remove_file(std::string const& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail_on("remove", path);
}

/// The manifest goes first and is gone on the disk before anything else goes, so that what is left, wherever this ends, does
/// not look whole. Files that are not foal's stay, and then the folder does.
inline void remove_checkpoint(std::string const& directory, std::uint64_t update) {
  std::string const folder = directory + "/" + step_folder(update);
  struct stat there {};
  if (::lstat(folder.c_str(), &there) != 0 || !S_ISDIR(there.st_mode)) return;  // what a link leads to is another's
  remove_file(folder + "/" + manifest_name);
  if (!foal::detail::sync_folder(folder)) fail_on("write", folder);
  for (std::string const& name : names_in(folder))
    if (is_of_checkpoint(name)) remove_file(folder + "/" + name);
  if (::rmdir(folder.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST) fail_on("remove", folder);
  if (!foal::detail::sync_folder(directory)) fail_on("write", directory);
}

/// Makes a folder and those above it, down to the disk; they may exist.
inline void make_folder(std::string const& path) {
  if (what_is(path) == under_name::folder) return;
  std::size_t const slash = path.rfind('/', path.find_last_not_of('/'));
  std::string const above = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  if (!above.empty()) make_folder(above);
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) fail_on("make the folder", path);
  if (!foal::detail::sync_folder(above)) fail_on("write", above);
  require(what_is(path) == under_name::folder, "cannot make the folder ", path, ", because a file of that name exists; ",
          "name another folder");
}

/// A manifest that a later build has written, and this one must not lose.
inline bool is_of_newer_format(std::string const& folder) {
  try {
    read_manifest(folder + "/" + manifest_name);
  } catch (newer_format const&) {
    return true;
  } catch (error const&) {
  }
  return false;
}

}  // namespace detail

struct whole_checkpoint {
  std::string folder;
  manifest is;
};

struct found_checkpoints {
  std::optional<whole_checkpoint> newest;  ///< the newest whole one; empty: there is none
  std::vector<std::string> passed_over;    ///< a sentence for each that is newer, the newest first
};

/// Looks for the newest checkpoint whose manifest and parts are all there and undamaged. A directory that is not there has
/// none. check: what else is asked of it, so that a checkpoint of another run is passed over. Throws foal::error where the
/// directory cannot be listed. Memory: the manifest, a part's header, 1 MiB.
inline found_checkpoints newest_whole(std::string const& directory, manifest_check const& check = {},
                                      reading how = reading::contents) {
  require_name(directory, "read");
  found_checkpoints all;
  for (std::uint64_t const update : detail::updates_in(directory)) {
    whole_checkpoint c{directory + "/" + step_folder(update), {}};
    std::string fault = detail::fault_of(c.folder, update, how, c.is, check);
    if (fault.empty()) {
      all.newest = std::move(c);
      break;
    }
    all.passed_over.push_back(std::move(fault));
  }
  for (std::string& fault : all.passed_over)
    fault += all.newest ? "; resume from " + printable(all.newest->folder) + ", the newest whole one"
                        : std::string("; no older one is whole: begin anew, or name another directory");
  return all;
}

/// Removes what is older than the newest `k` whole checkpoints, and unfinished ones that are older than a whole one. What a
/// newer foal has written stays, as do the checkpoints of the updates `besides`. Killed or failing at any moment it leaves
/// none that looks whole and is not. how: headers is for who has just written them. Throws foal::error with what the system
/// says.
inline void keep_newest(std::string const& directory, int k, std::vector<std::uint64_t> const& besides = {},
                        reading how = reading::contents) {
  require(k >= 1, "cannot keep ", k, " checkpoints in ", directory, ", because 1 or more are expected; keep the newest one");
  int whole = 0;
  for (std::uint64_t const update : detail::updates_in(directory)) {
    std::string const folder = directory + "/" + step_folder(update);
    if (std::find(besides.begin(), besides.end(), update) != besides.end()) continue;
    manifest found;
    if (whole < k && detail::fault_of(folder, update, how, found).empty())
      ++whole;
    else if (whole == k ? !detail::is_of_newer_format(folder)
                        : whole > 0 && what_is(folder + "/" + manifest_name) == under_name::nothing)
      detail::remove_checkpoint(directory, update);
  }
}

/// Makes the folder for the parts of a checkpoint and gives its path. An unfinished or damaged one of that update is
/// removed; a whole one is never written over: throws foal::error, as where the folder cannot be made.
inline std::string begin_checkpoint(std::string const& directory, std::uint64_t update) {
  require_name(directory, "write");
  std::string folder = directory + "/" + step_folder(update);
  if (what_is(folder) == under_name::folder) {
    manifest found;
    require(!detail::fault_of(folder, update, reading::contents, found).empty(), "cannot write ", folder,
            ", because a whole checkpoint of this update is there; resume from it, or name another directory");
    require(!detail::is_of_newer_format(folder), "cannot write ", folder,
            ", because a newer foal has written a checkpoint there; name another directory");
    detail::remove_checkpoint(directory, update);
  }
  detail::make_folder(folder);
  return folder;
}

/// Makes the parts in the folder that begin_checkpoint() gave one checkpoint: after this they are whole, before they are
/// none. Throws foal::error where a part is not what the manifest says.
inline void finish_checkpoint(std::string const& folder, manifest const& m) {
  std::string const path = folder + "/" + manifest_name, text = manifest_text(m, path);
  std::string_view const name = std::string_view(folder).substr(folder.rfind('/') + 1);
  require(name == step_folder(m.update), "cannot write ", path, ", because it is of update ", m.update, ", whose folder is ",
          step_folder(m.update), "; finish each checkpoint in its own folder");
  for (part const& p : m.parts) detail::check_part(folder, p, reading::headers);
  write_file(path, text);
}

}  // namespace foal::checkpoint
