// The parts of a checkpoint, of however many processes, as one process of however many needs them.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/directory.hpp>
#include <foal/checkpoint/process_group.hpp>
#include <foal/checkpoint/run_file.hpp>

namespace foal::checkpoint {

/// What of a checkpoint a process keeps.
struct kept_share {
  std::vector<named_array> named{};                 ///< of the stages of which it hosts a replica
  std::set<std::string> model{};                    ///< names of parameters and statistics of all stages
  std::function<bool(executor::array_id)> wants{};  ///< whether it keeps an array; empty: all
  int last_stage = 0;                               ///< number; its process knows the losses
};

/// Of a run whose model has these rows.
inline kept_share share_of(table::run_tables const& t, executor::run_memory const& memory, model_row const* rows,
                           int row_count) {
  std::optional<layouts> order;
  try {
    order.emplace(rows, row_count);
  } catch (error const&) {
    // It has an order that PyTorch has not: then that is kept.
  }
  kept_share keeps;
  keeps.named = named_arrays(t, memory, order ? &*order : nullptr);
  keeps.model = names_of(t);
  keeps.last_stage = static_cast<int>(t.stages.size()) - 1;
  if (memory.whole()) return keeps;
  std::set<executor::array_id> there;  // with copies of what another process has
  for (table::phase_table const& phase : t.phases)
    for (executor::array const& a : memory.arrays(phase)) there.insert(a.id);
  bool const shards = t.replica.shards();
  keeps.wants = [&memory, there, shards, stages = t.stages.size()](executor::array_id id) {
    if (there.contains(id)) return true;
    auto const all = memory.stages().size();
    bool const shared = shards && id.purpose == executor::array_purpose::optimizer_state;  // pieces of it are each unit's
    for (auto unit = static_cast<std::size_t>(id.unit); unit < all; unit += shared ? stages : all)
      if (memory.stages()[unit].worker >= 0) return true;
    return false;
  };
  return keeps;
}

/// The newest whole checkpoint but those of the updates `damaged`, as process 0 finds it. All processes call it; notes gets
/// why newer ones are passed over, the first time.
inline std::optional<whole_checkpoint> newest_together(process_group const& group, std::string const& directory,
                                                       std::vector<std::uint64_t> const& damaged,
                                                       std::vector<std::string>& notes) {
  report::fingerprint said;
  group.all([&] {
    if (!group.leads()) return;
    manifest_check const others = [&](manifest const& m) {
      bool const seen = std::find(damaged.begin(), damaged.end(), m.update) != damaged.end();
      return seen ? std::string("it is damaged") : std::string();
    };
    found_checkpoints const found = newest_whole(directory, others, reading::headers);
    if (damaged.empty()) said.unknown = found.passed_over;
    if (found.newest)
      said.items = {{"folder", found.newest->folder}, {"manifest", manifest_text(found.newest->is, found.newest->folder)}};
  });
  said = report::unpacked(group.from_leader(report::packed(said)));
  notes.insert(notes.end(), said.unknown.begin(), said.unknown.end());
  if (said.items.empty()) return {};
  return whole_checkpoint{said.items[0].second, manifest_of(said.items[1].second, said.items[0].second)};
}

namespace detail {

/// The array that a tensor of a run part is of: "3.activations.0.17" has slot 17 of one, "3.weights.0.rest" what has no name
/// of another.
inline std::optional<executor::array_id> array_of(std::string_view name) {
  std::size_t const first = name.find('.'), second = first == name.npos ? first : name.find('.', first + 1);
  if (second == name.npos) return {};
  std::string const own(name.substr(0, name.find('.', second + 1)));
  executor::array_id id{};
  auto const number = [&](std::size_t begin, std::size_t end, int& to) {
    return std::from_chars(own.data() + begin, own.data() + end, to).ec == std::errc{};
  };
  if (!number(0, first, id.unit) || !number(second + 1, own.size(), id.entry)) return {};
  for (int p = 0; p <= static_cast<int>(executor::array_purpose::reference); ++p) {
    id.purpose = static_cast<executor::array_purpose>(p);
    if (text_of(id) == own) return id;
  }
  return {};
}

}  // namespace detail

/// Parts that have been read: by the process that wrote them, and of each what is kept here.
struct read_checkpoint {
  struct process_parts {
    std::string weights_path, run_path;
    safetensors_content weights, run;
  };
  std::vector<process_parts> parts;
  std::set<std::string> names;  ///< of all tensors, and pieces of them, of all weights

  /// How many tensors they are, each piece as what it is of.
  long long tensors() const {
    std::set<std::string> whole;
    for (std::string const& name : names) {
      auto const piece = piece_name::read(name);
      whole.insert(piece ? piece->of : name);
    }
    return static_cast<long long>(whole.size());
  }
};

/// Reads the parts that a manifest names, one after the other, and checks every byte. Throws foal::error where one is
/// missing, damaged, or not what the manifest says.
inline read_checkpoint read_parts(std::string const& folder, manifest const& m, kept_share const& keeps) {
  std::set<std::string> wanted;
  for (named_array const& a : keeps.named) wanted.insert(a.name);
  auto const in_weights = [&](stored_tensor const& t) {
    auto const piece = piece_name::read(t.name);
    return !keeps.wants || wanted.contains(piece ? piece->of : t.name);
  };
  auto const in_run = [&](stored_tensor const& t) {
    auto const id = keeps.wants ? detail::array_of(t.name) : std::nullopt;
    return !id || keeps.wants(*id);
  };
  read_checkpoint all;
  for (part const& p : m.parts) {
    if (!p.file.starts_with("weights-")) continue;
    std::string const other = "run-" + p.file.substr(p.file.find('-') + 1);
    auto const run = std::find_if(m.parts.begin(), m.parts.end(), [&](part const& q) { return q.file == other; });
    require(run != m.parts.end(), "cannot read ", folder, ", because it has ", p.file, " and no ", other,
            "; use another checkpoint");
    auto& own = all.parts.emplace_back();
    own.weights_path = folder + "/" + p.file;
    own.run_path = folder + "/" + other;
    detail::check_part(folder, p, reading::headers);
    detail::check_part(folder, *run, reading::headers);
    own.weights = read_safetensors_file(own.weights_path, [&](stored_tensor const& t) {
      require(all.names.insert(t.name).second, "cannot read ", folder, ", because ", t.name,
              " is in two of its parts; use another checkpoint");
      return in_weights(t);
    });
    own.run = read_safetensors_file(own.run_path, in_run);
  }
  require(!all.parts.empty(), "cannot read ", folder, ", because it has no weights-000.safetensors; use another checkpoint");
  return all;
}

namespace detail {

/// Whole tensors in place of pieces, in the parts of the processes whose runs they are of.
inline void join_pieces(read_checkpoint& from, kept_share const& keeps) {
  pieces_of_tensors in_weights, in_runs;
  for (auto& own : from.parts) {
    in_weights.take(own.weights);
    in_runs.take(own.run);
  }
  auto const part_of = [&](std::string const& array) -> read_checkpoint::process_parts& {
    for (auto& own : from.parts) {
      auto const list = own.run.about.find(arrays_key);
      if (list != own.run.about.end() && ("\n" + list->second).find("\n" + array + "=") != std::string::npos) return own;
    }
    return from.parts.front();
  };
  for (named_array const& a : keeps.named) {
    auto whole = in_weights.joined(a.name, from.parts.front().weights_path, false);
    if (!whole) continue;
    auto& home = part_of(text_of(a.in));
    require(whole->bytes.size() == a.bytes(), "cannot go on from ", home.weights_path, ", because the pieces of ", a.name,
            " have ", whole->bytes.size(), " bytes where ", a.bytes(), " are expected; use another checkpoint");
    std::vector<std::uint8_t> ordered(whole->bytes.size());
    to_pytorch(a.layout, bytes_of(a.type), a.size, whole->bytes.data(), ordered.data());
    append(home.weights, a.name, whole->dtype, a.layout.shape, ordered);
  }
  for (std::string const& name : in_runs.names()) {
    auto const whole = in_runs.joined(name, from.parts.front().run_path, true);
    std::string const array = name.ends_with(".rest") ? name.substr(0, name.size() - 5) : name;
    append(part_of(array).run, name, whole->dtype, {whole->bytes.size()}, whole->bytes);
  }
}

}  // namespace detail

/// The run that they are of, for one of the same tables. Gives the parts away, one after the other.
inline saved_run run_of(read_checkpoint from, kept_share const& keeps) {
  detail::join_pieces(from, keeps);
  saved_run all;
  for (std::size_t i = 0; i < from.parts.size(); ++i) {
    auto const own = std::move(from.parts[i]);
    saved_run one = run_of(own.weights_path, own.weights, own.run_path, own.run, keeps.named, keeps.wants);
    bool const knows = one.run.has(keeps.last_stage);
    if (i == 0) {
      all = std::move(one);
      continue;
    }
    if (knows) all.fit = std::move(one.fit);
    executor::join(all.run, std::move(one.run));
  }
  require(all.run.hosted.empty(), "cannot go on from ", from.parts.front().run_path,
          ", because it and the parts beside it have ", all.run.hosted.size(), " of ", all.run.units.size(),
          " stages; use another checkpoint");
  return all;
}

/// The sums of losses that are complete in all of so many replicas, each of which has its share of a minibatch, and that no
/// process could tell, for each had the last stages of some. They come behind those of the history.
inline std::vector<loss::loss_result> untold_sums(std::vector<executor::losses_so_far>& losses, long long loss_every,
                                                  std::vector<int> const& shares) {
  std::vector<long long> stretch;
  if (loss_every <= 0 || losses.size() != shares.size()) return {};
  for (int const share : shares) stretch.push_back(loss_every * share);
  return executor::take_complete(losses, stretch);
}

/// What the fit had told.
inline fit_history history_of(read_checkpoint const& from, kept_share const& keeps) {
  std::optional<fit_history> told;
  std::vector<executor::losses_so_far> losses;
  for (auto const& own : from.parts) {
    part_view const view(own.run_path, own.run);
    executor::run_cut has;
    detail::read_units(has, view);
    if (!told && (has.has(keeps.last_stage) || from.parts.size() == 1)) told = detail::history_of(view, own.run.about);
    executor::join(losses, detail::losses_of(view));
  }
  if (!told) return {};
  part_view const view(from.parts.front().run_path, from.parts.front().run);
  auto const number = [&](char const* name) {
    for (auto const& [item, text] : view.lines(detail::identity_key))
      if (item == name) return std::max(1, view.number_of<int>(item, text));
    return 1;
  };
  std::vector<int> const shares(losses.size(),
                                number("microbatches") / number("replicas") * number(executor::segments_item));
  auto const sums = untold_sums(losses, view.number<long long>("run.loss_every"), shares);
  told->epochs.insert(told->epochs.end(), sums.begin(), sums.end());
  return *told;
}

/// Weights and states alone, for a run that may have other stages.
inline saved_weights weights_of(read_checkpoint from, kept_share const& keeps) {
  detail::join_pieces(from, keeps);
  auto& first = from.parts.front();
  for (std::size_t i = 1; i < from.parts.size(); ++i) {
    auto const own = std::move(from.parts[i]);
    for (stored_tensor t : own.weights.tensors) {
      t.begin += first.weights.buffer.size();
      t.end += first.weights.buffer.size();
      first.weights.tensors.push_back(std::move(t));
    }
    first.weights.buffer.insert(first.weights.buffer.end(), own.weights.buffer.begin(), own.weights.buffer.end());
  }
  saved_weights all = weights_of(first.weights_path, first.weights, keeps.named);
  for (std::string const& name : from.names) {
    bool const state = name.starts_with(optimizer_prefix) || name.starts_with(delay_prefix);
    require(state || keeps.model.contains(name), "cannot go on from ", first.weights_path, ", because it has ", name,
            ", which the model has not; use another checkpoint");
  }
  return all;
}

}  // namespace foal::checkpoint
