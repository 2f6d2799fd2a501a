// The manifest of a checkpoint: which files are its parts. It is written last, and without it they are none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/digest.hpp>
#include <foal/checkpoint/safetensors_file.hpp>
#include <foal/core/atomic_file.hpp>
#include <foal/core/error.hpp>
#include <foal/core/utf8.hpp>
#include <foal/data/file.hpp>
#include <foal/report/fingerprint.hpp>
#include <foal/report/json.hpp>
#include <foal/report/json_reader.hpp>

namespace foal::checkpoint {

/// The newest format of manifests that this build reads, and the one that it writes. What may never change, so that every
/// build can name the format of every file: the first member "format", and the digest at the end.
inline constexpr std::uint64_t manifest_format = 1;

inline constexpr char const* manifest_name = "manifest.json";

/// How the names begin under which processes note which parts they have written, before there is a manifest.
inline constexpr char const* mark_prefix = "process-";

/// A file of a checkpoint. file: without a folder, [A-Za-z0-9._-]+ that ends in .safetensors.
struct part {
  std::string file;
  file_mark mark{};
  bool operator==(part const&) const = default;
};

struct manifest {
  std::uint64_t update = 0, epoch = 0;  ///< how many there were before
  report::fingerprint run{};            ///< of whose run it is
  std::vector<part> parts{};            ///< at least one
  std::string version = sentence(FOAL_VERSION_MAJOR, '.', FOAL_VERSION_MINOR, '.', FOAL_VERSION_PATCH);  ///< who wrote it
};

/// A manifest of a format that this build does not know.
class newer_format : public error {
 public:
  using error::error;
};

namespace detail {

inline constexpr std::uint64_t most_manifest = 1U << 26U;

/// Whether it names a file of a checkpoint's own folder, and none of the hidden ones.
inline bool is_part_name(std::string_view name) {
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
                             end = ".safetensors";
  return name.size() > end.size() && name.size() <= 200 && name[0] != '.' && name.ends_with(end) &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

/// What must be true of a manifest whether it is read or written. doing: "cannot read".
inline void check_manifest(manifest const& m, std::string_view doing, std::string const& path, std::string_view advice) {
  auto const need = [&](bool holds, auto const&... why) {
    require(holds, doing, " ", path, ", because ", why..., "; ", advice);
  };
  auto const need_text = [&](std::string_view const whole) {
    for (std::string_view rest = whole; !rest.empty(); rest.remove_prefix(utf8_sequence(rest)))
      need(utf8_sequence(rest) != 0, "its text '", whole, "' is not UTF-8");
  };
  need(!m.parts.empty(), "it names no parts where at least one is expected");
  std::vector<std::string_view> names;
  for (part const& p : m.parts) {
    need(is_part_name(p.file), "its part '", p.file, "' is no name of a .safetensors file in its folder");
    need(p.mark.digest.size() == 16 && p.mark.digest.find_first_not_of("0123456789abcdef") == std::string::npos,
         "the digest of its part '", p.file, "' is '", p.mark.digest, "' where 16 hexadecimal digits are expected");
    names.push_back(p.file);
  }
  std::sort(names.begin(), names.end());
  auto const twice = std::adjacent_find(names.begin(), names.end());
  need(twice == names.end(), "it names its part '", twice == names.end() ? std::string_view() : *twice, "' twice");
  need_text(m.version);
  for (auto const& [name, value] : m.run.items) need_text(name), need_text(value);
  for (std::string const& name : m.run.unknown) need_text(name);
}

/// `"<16 digits>"` and the end of the object.
inline constexpr std::size_t manifest_tail = 21;

}  // namespace detail

/// As JSON, which ends with the digest of all that stands before it. path: for the sentence where it cannot be one.
inline std::string manifest_text(manifest const& m, std::string const& path) {
  detail::check_manifest(m, "cannot write", path, "give what a manifest can hold");
  std::string text;
  report::json_writer json(text, 2);
  json.begin_object().member("format", manifest_format).member("foal", m.version);
  json.member("update", m.update).member("epoch", m.epoch).key("run").begin_object();
  for (auto const& [name, value] : m.run.items) json.member(name, value);
  json.end_object().key("unknown").begin_array();
  for (std::string const& name : m.run.unknown) json.value(name);
  json.end_array().key("parts").begin_array();
  for (part const& p : m.parts) {
    json.begin_object().member("file", p.file).member("bytes", p.mark.bytes).member("digest", p.mark.digest);
    json.end_object();
  }
  json.end_array().key("digest");
  std::string const digest = digest_of(text.data(), text.size());
  json.value(digest).end_object();
  return text += '\n';
}

/// Its inverse. Throws foal::error for any other text, newer_format for one of a later format. path: for the sentence.
inline manifest manifest_of(std::string_view text, std::string const& path) {
  constexpr char const* damaged = "it is damaged, or was changed by hand; use another one";
  auto const need = [&](bool holds, auto const&... why) {
    require(holds, "cannot read ", path, ", because ", why..., "; ", damaged);
  };
  need(text.size() >= detail::manifest_tail, "it has ", text.size(), " bytes where at least ", detail::manifest_tail,
       " are expected");
  std::size_t const covered = text.size() - detail::manifest_tail;
  std::string const digest = digest_of(text.data(), covered);
  need(text.substr(covered) == "\"" + digest + "\"\n}\n", "it does not end with its digest, which is ", digest);

  report::json_reader json(path, text, "text", damaged);
  manifest m;
  m.version.clear();
  std::vector<std::string> seen;
  std::uint64_t format = 0;
  json.object([&](std::string const& name) {
    need(std::find(seen.begin(), seen.end(), name) == seen.end(), "it names '", name, "' twice");
    seen.push_back(name);
    need(seen.front() == "format", "it begins with '", seen.front(), "' where 'format' is expected");
    if (name == "format") {
      format = json.number();
      if (format > manifest_format)
        throw newer_format(sentence("cannot read ", path, ", because it is of format ", format, " where at most ",
                                    manifest_format, " is expected; read it with a newer foal"));
    } else if (name == "foal") {
      m.version = json.string();
    } else if (name == "update") {
      m.update = json.number();
    } else if (name == "epoch") {
      m.epoch = json.number();
    } else if (name == "run") {
      json.object([&](std::string const& item) { m.run.items.emplace_back(item, json.string()); });
    } else if (name == "unknown") {
      json.array([&] { m.run.unknown.push_back(json.string()); });
    } else if (name == "parts") {
      json.array([&] {
        part& p = m.parts.emplace_back();
        json.object([&](std::string const& field) {
          if (field == "file")
            p.file = json.string();
          else if (field == "bytes")
            p.mark.bytes = json.number();
          else if (field == "digest")
            p.mark.digest = json.string();
          else
            json.pass_over();
        });
      });
    } else {
      need(seen.size() <= 64, "it has more than 64 members");
      json.pass_over();  // a later build of this format may say more
    }
  });
  json.end();
  for (char const* const name : {"format", "update", "epoch", "run", "unknown", "parts"})
    need(std::find(seen.begin(), seen.end(), name) != seen.end(), "it has no '", name, "'");
  need(format > 0, "it is of format 0 where 1 or more is expected");
  detail::check_manifest(m, "cannot read", path, damaged);
  return m;
}

/// Throws foal::error where the file cannot be read or is no manifest that this build knows.
inline manifest read_manifest(std::string const& path) {
  data::file from(path);
  require(from.most() <= detail::most_manifest, "cannot read ", path, ", because it has ", from.most(),
          " bytes where at most ", detail::most_manifest, " are expected; give a manifest");
  std::string text(from.most(), ' ');
  require(from.read(text.data(), text.size()) == text.size(), "cannot read ", path,
          ", because it has become shorter; the file changed while it was read, try again");
  return manifest_of(text, path);
}

/// The part of a checkpoint that a file of its folder is: reads its header, not its tensors.
inline part part_of(std::string const& folder, std::string file) {
  file_mark const mark = safetensors_reader(folder + "/" + file).mark();
  return {std::move(file), mark};
}

}  // namespace foal::checkpoint
