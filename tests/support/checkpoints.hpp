// Small checkpoints of two parts, each of an update of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <foal/checkpoint/directory.hpp>

#include "tests/support/files.hpp"

namespace foal_test {

inline char const* const part_names[] = {"run-000.safetensors", "weights-000.safetensors"};

/// Two tensors whose numbers depend on the update and the part.
inline foal::checkpoint::safetensors_content checkpoint_content(std::uint64_t update, std::string const& part) {
  foal::checkpoint::safetensors_content c{{{"note", part}}, {}, {}};
  c.tensors = {{"0.linear.weight", "F32", {2, 3}, 0, 24}, {"n", "I64", {2}, 24, 40}};
  for (std::uint64_t i = 0; i < 40; ++i) c.buffer.push_back(static_cast<std::uint8_t>(17 * i + 3 * update + part.size()));
  return c;
}

inline foal::checkpoint::manifest checkpoint_manifest(std::uint64_t update) {
  foal::checkpoint::manifest m;
  m.update = update;
  m.epoch = 1;
  m.run.items = {{"model", "a \"net\""}, {"optimizer.beta1", "0.9"}};
  return m;
}

inline std::string step(std::string const& directory, std::uint64_t update) {
  return directory + "/" + foal::checkpoint::step_folder(update);
}

inline void save_checkpoint(std::string const& directory, std::uint64_t update) {
  auto m = checkpoint_manifest(update);
  std::string const folder = foal::checkpoint::begin_checkpoint(directory, update);
  for (std::string const name : part_names)
    m.parts.push_back(
        {name, foal::checkpoint::write_safetensors_file(folder + "/" + name, checkpoint_content(update, name))});
  foal::checkpoint::finish_checkpoint(folder, m);
}

/// The newest whole one's update, 0 for none; its parts must be those that were saved.
inline std::uint64_t newest_update(std::string const& directory) {
  auto const found = foal::checkpoint::newest_whole(directory);
  if (!found.newest) return 0;
  REQUIRE(found.newest->folder == step(directory, found.newest->is.update));
  for (std::string const name : part_names)
    REQUIRE(foal::checkpoint::read_safetensors_file(found.newest->folder + "/" + name).buffer ==
            checkpoint_content(found.newest->is.update, name).buffer);
  return found.newest->is.update;
}

/// The update of the newest whole one, of anything; 0: there is none.
inline std::uint64_t newest_update_of(std::string const& directory) {
  auto const found = foal::checkpoint::newest_whole(directory);
  return found.newest ? found.newest->is.update : 0;
}

/// What lies in a directory, in order.
inline std::vector<std::string> listed(std::string const& directory) {
  std::vector<std::string> names;
  for (auto const& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace foal_test
