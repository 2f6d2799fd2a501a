// Keeps copies of a run's parts in the memories of its processes' machines, and finds them again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/memory_copies.hpp>
#include <foal/checkpoint/process_group.hpp>
#include <foal/checkpoint/read_parts.hpp>
#include <foal/report/fingerprint.hpp>

namespace foal::checkpoint {

/// One process's part. All processes call its functions alike, on the thread that trains; what goes wrong with the copies is
/// a note in each, and no more.
class memory_keeper {
 public:
  /// directory: of the checkpoints, locked by process 0. memory: a directory of this machine's memory.
  memory_keeper(std::string const& memory, std::string const& directory, process_group group) : group_(std::move(group)) {
    std::string identity;
    group_.all([&] {
      if (group_.leads()) identity = memory_folder::identity_of(directory);
    });
    identity = group_.from_leader(identity);
    group_.all([&] { in_.emplace(memory, identity); });
    try {
      memory_folder::forget_older(memory, identity);
    } catch (error const&) {
      // Another process of this machine does the same.
    }
  }

  /// What is kept next.
  saved_run run;

  /// Keeps it, of a run with this identity: here, and in the next process's memory. The two newest are kept.
  void keep(manifest m, std::vector<named_array> const& named, std::string const& model) {
    int const here = group_.here.number, all = group_.here.count, next = (here + 1) % all, before = (here + all - 1) % all;
    std::string fault, mine;
    auto const attempt = [&](auto const& f) {
      try {
        f();
      } catch (error const& e) {
        if (fault.empty()) fault = e.what();
      }
    };
    memory_copy const own{m.update, all, here, here}, other{m.update, all, before, here};
    attempt([&] {
      encode(parts_, run, named, model);
      std::string const folder = in_->folder(own);
      share_names const name(here);
      detail::make_folder(folder);
      m.parts = {{name.weights, parts_.weights.write(folder + "/" + name.weights)},
                 {name.run, parts_.run.write(folder + "/" + name.run)}};
      write_mark(folder, here, m);
      mine = bundle(own);
    });
    if (!group_.alone() && group_.swap) {
      std::string const come = group_.swap(next, before, mine);
      attempt([&] {
        if (!come.empty()) unbundle(come, other);
      });
    }
    bool whole = true;
    std::size_t p = 0;
    for (std::string const& text : group_.texts(fault)) {
      whole = whole && text.empty();
      if (!text.empty() && text != fault_)
        notes_.push_back(sentence(fault_ = text, " (of process ", p, "'s copies in memory; the training goes on)"));
      ++p;
    }
    if (whole) kept_.push_back(m.update);
    if (kept_.size() > 2) kept_.erase(kept_.begin());
    if (!whole) return;
    attempt([&] { in_->keep_only(here, all, kept_); });
    if (kept_.size() == 2) clear_but(all);  // of as many processes as there were before
  }

  /// The newest copies of all parts that are newer than update `than`, read as read_parts() reads those of a checkpoint.
  struct found {
    std::uint64_t update;
    report::fingerprint run;
    read_checkpoint parts;
  };
  std::optional<found> newest(std::uint64_t than, kept_share const& keeps) {
    std::vector<memory_copy> mine = in_->copies();
    for (;;) {
      std::vector<std::vector<memory_copy>> has;
      for (std::string const& text : group_.texts(report::packed(told(mine)))) has.push_back(heard(report::unpacked(text)));
      found_copies const all = found_copies::newest(has, than);
      if (all.parts.empty()) return {};
      std::uint64_t const update = all.parts.front().copy.update;
      found to{update, {}, {}};
      bool whole = true;
      for (found_copies::kept const& part : all.parts) whole = read(part, keeps, to) && whole;
      if (whole) {
        for (found_copies::kept const& part : all.parts) tell(part);
        return to;
      }
      std::erase_if(mine, [&](memory_copy const& c) { return c.update == update; });
    }
  }

  /// Nothing is kept any more.
  void clear() {
    clear_but(0);
    kept_.clear();
    static_cast<void>(group_.texts({}));
  }

  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  void clear_but(int parts) const {
    try {
      in_->clear(parts);
    } catch (error const&) {
      // Another process of this machine does the same.
    }
  }
  static std::string piece(std::string const& bytes) { return std::to_string(bytes.size()) + " " + bytes; }
  static std::string next_piece(std::string const& all, std::size_t& at) {
    std::size_t const space = all.find(' ', at);
    std::size_t const size = std::stoull(all.substr(at, space - at));
    at = space + 1 + size;
    return all.substr(space + 1, size);
  }
  /// A copy's files as one text.
  std::string bundle(memory_copy const& c) const {
    share_names const name(c.part);
    std::string all;
    for (std::string const& file : {name.weights, name.run, name.mark}) all += piece(bytes_of_file(in_->file(c, file)));
    return all;
  }
  void unbundle(std::string const& all, memory_copy const& to) const {
    std::size_t at = 0;
    std::string const weights = next_piece(all, at), of_run = next_piece(all, at);
    in_->keep(to, weights, of_run, next_piece(all, at));
  }

  static report::fingerprint told(std::vector<memory_copy> const& all) {
    report::fingerprint f;
    for (memory_copy const& c : all)
      f.items.emplace_back(std::to_string(c.update), sentence(c.parts, ' ', c.part, ' ', c.holder));
    return f;
  }
  static std::vector<memory_copy> heard(report::fingerprint const& f) {
    std::vector<memory_copy> all;
    for (auto const& [update, numbers] : f.items) {
      memory_copy& c = all.emplace_back();
      c.update = std::stoull(update);
      std::size_t const first = numbers.find(' '), last = numbers.rfind(' ');
      c.parts = std::stoi(numbers.substr(0, first));
      c.part = std::stoi(numbers.substr(first + 1, last - first - 1));
      c.holder = std::stoi(numbers.substr(last + 1));
    }
    return all;
  }

  /// Reads one part, which its process sends where not all have it. False, in all processes: one of them cannot, and says
  /// why.
  bool read(found_copies::kept const& part, kept_share const& keeps, found& to) {
    std::string fault, bytes;
    memory_copy at = part.copy;
    auto const attempt = [&](auto const& f) {
      try {
        if (fault.empty()) f();
      } catch (std::exception const& e) {
        fault = e.what();
      }
    };
    bool const mine = part.by == group_.here.number;
    if (!part.all) {
      attempt([&] {
        if (mine) bytes = bundle(part.copy);
      });
      bytes = group_.spread(part.by, bytes);
      attempt([&] {
        if (mine) return;
        at.holder = at.parts + group_.here.number;  // a folder that no holder has
        at.parts += at.holder + 1;
        unbundle(bytes, at);
      });
    }
    attempt([&] {
      manifest const m = read_manifest(in_->file(at, share_names(at.part).mark));
      require(m.update == at.update, "cannot read ", in_->folder(at), ", because its mark is of update ", m.update,
              "; use another copy");
      if (to.run.items.empty()) to.run = m.run;
      read_checkpoint own = read_parts(in_->folder(at), m, keeps);
      for (auto& one : own.parts) to.parts.parts.push_back(std::move(one));
      to.parts.names.merge(own.names);
      require(own.names.empty(), "cannot read ", in_->folder(at),
              ", because another part has its tensors, too; use another copy");
    });
    if (!part.all && !mine) try {
        in_->keep_only(at.holder, at.parts, {});
      } catch (error const&) {
        // It is in memory until the fit ends.
      }
    bool whole = true;
    std::size_t p = 0;
    for (std::string const& text : group_.texts(fault)) {
      if (!text.empty()) notes_.push_back(sentence("process ", p, " ", text));
      whole = whole && text.empty();
      ++p;
    }
    return whole;
  }
  void tell(found_copies::kept const& part) {
    memory_copy const& c = part.copy;
    if (c.holder != c.part)
      notes_.push_back(sentence("process ", c.part, "'s part of update ", c.update,
                                " was lost with it, and comes from process ", c.holder, "'s memory"));
  }

  process_group group_;
  std::optional<memory_folder> in_;
  run_parts parts_;
  std::vector<std::uint64_t> kept_;
  std::string fault_;
  std::vector<std::string> notes_;
};

}  // namespace foal::checkpoint
