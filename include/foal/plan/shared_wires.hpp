// Wires that one worker writes and reads itself: those that are never full at the same time share memory.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/table/run_values.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// A worker runs the ops of its ranks in the order (slot, rank, lane), one after the other, period after period. So for a
/// ring of one slot between two of its ops it is known at which places of that order the slot is in use.
class shared_wires {
 public:
  /// An end of a ring: the ops of one kind (B stands for BW too) of one unit.
  struct end {
    schedule::op_kind kind = schedule::op_kind::F;
    int unit = 0;
  };

  /// worker_of: of each rank; below 0: another process's.
  shared_wires(table::run_tables const& tables, std::vector<int> const& worker_of, int workers, int microbatches)
      : microbatches_(microbatches),
        segments_(tables.segments),
        stages_(static_cast<int>(tables.stages.size())),
        workers_(static_cast<std::size_t>(workers)) {
    for (table::phase_table const& phase : tables.phases) {
      schedule::program program = phase.program;
      schedule::program_view const view = program.view();
      std::size_t const first = lists_.size();
      lists_.resize(first + workers_);
      for (int r = 0; r < view.size.ranks; ++r) {
        int const worker = worker_of[static_cast<std::size_t>(r)];
        if (worker < 0) continue;
        auto& list = lists_[first + static_cast<std::size_t>(worker)];
        for (schedule::op const& o : view.rank(r)) list.push_back(o);
      }
      // Ranks lie one behind the other, and a rank's list follows (slot, lane).
      for (std::size_t i = first; i < lists_.size(); ++i)
        std::stable_sort(lists_[i].begin(), lists_[i].end(),
                         [](schedule::op const& a, schedule::op const& b) { return a.slot < b.slot; });
    }
    places_.resize(lists_.size());
    for (std::size_t l = 0; l < lists_.size(); ++l) {
      for (std::size_t i = 0; i < lists_[l].size(); ++i) {
        auto const unit = static_cast<std::size_t>(unit_of(lists_[l][i]));
        if (unit >= places_[l].size()) places_[l].resize(unit + 1);
        places_[l][unit].push_back(i);
      }
    }
  }

  /// Gives the number of a buffer of `bytes`, in use from each `from` to the `to` of the same microbatch (and segment), both
  /// included.
  std::size_t add(int worker, end from, end to, std::size_t bytes) {
    buffer b;
    b.worker = worker;
    b.bytes = padded(bytes);
    std::size_t begin = 0;  // of the phase
    for (std::size_t i = static_cast<std::size_t>(worker); i < lists_.size(); i += workers_) {
      mark(i, begin, from, to, b.used);
      begin += lists_[i].size();
    }
    buffers_.push_back(std::move(b));
    return buffers_.size() - 1;
  }

  /// Places all buffers of a worker, the largest first, each at the lowest address where it meets none that is in use at one
  /// of its times. Gives the size of the whole. Takes time for the buffers that are in use together, not for all pairs.
  std::size_t place(int worker) {
    std::vector<std::size_t> mine;
    for (std::size_t i = 0; i < buffers_.size(); ++i)
      if (buffers_[i].worker == worker) mine.push_back(i);
    std::stable_sort(mine.begin(), mine.end(),
                     [this](std::size_t a, std::size_t b) { return buffers_[a].bytes > buffers_[b].bytes; });
    std::size_t places = 0, whole = 0;
    for (std::size_t i = static_cast<std::size_t>(worker); i < lists_.size(); i += workers_) places += lists_[i].size();
    std::vector<std::vector<std::size_t>> at(places);         // [place]: buffers that have an offset and are in use there
    std::vector<std::size_t> seen(buffers_.size(), 0), near;  // seen: the last buffer, from 1, that met this one
    for (std::size_t i = 0; i < mine.size(); ++i) {
      buffer& b = buffers_[mine[i]];
      near.clear();
      for (std::size_t const t : b.used)
        for (std::size_t const other : at[t]) {
          ++steps_;
          if (std::exchange(seen[other], i + 1) != i + 1) near.push_back(other);
        }
      std::sort(near.begin(), near.end(),
                [this](std::size_t x, std::size_t y) { return buffers_[x].offset < buffers_[y].offset; });
      for (std::size_t const n : near) {
        buffer const& other = buffers_[n];
        if (b.offset + b.bytes <= other.offset) break;
        b.offset = std::max(b.offset, other.offset + other.bytes);
      }
      for (std::size_t const t : b.used) at[t].push_back(mine[i]);
      whole = std::max(whole, b.offset + b.bytes);
    }
    return whole;
  }
  std::size_t offset(std::size_t number) const { return buffers_[number].offset; }
  int worker(std::size_t number) const { return buffers_[number].worker; }

  /// How many ops and buffers all calls have looked at: what they take time for.
  long long steps() const { return steps_; }

 private:
  struct buffer {
    int worker = 0;
    std::size_t bytes = 0, offset = 0;
    std::vector<std::size_t> used;  // places in the order of the worker's ops, phase after phase; perhaps one twice
  };

  int unit_of(schedule::op const& o) const { return o.replica * stages_ + o.stage; }

  void mark(std::size_t number, std::size_t begin, end from, end to, std::vector<std::size_t>& used) {
    auto const& list = lists_[number];
    auto const length = static_cast<long long>(list.size());
    struct span {
      long long first = -1, last = -1;
    };
    std::vector<span> spans(static_cast<std::size_t>(microbatches_ * segments_));
    // Only the ops of the two units are looked at: a program has many units, and each of them has wires.
    auto const find = [&](end e, long long span::*time) {
      if (static_cast<std::size_t>(e.unit) >= places_[number].size()) return;  // no op of it here
      for (std::size_t const place : places_[number][static_cast<std::size_t>(e.unit)]) {
        schedule::op const& o = list[place];
        ++steps_;
        if (o.kind != e.kind && !(e.kind == schedule::op_kind::B && schedule::is_backward(o.kind))) continue;
        // The time of an op of microbatch j < N, in places since the start of the period with number 0.
        int const j = schedule::floor_mod(o.microbatch, microbatches_);
        spans[static_cast<std::size_t>(j * segments_ + o.segment)].*time =
            static_cast<long long>(place) + length * ((j - o.microbatch) / microbatches_);
      }
    };
    find(from, &span::first);
    find(to, &span::last);
    for (auto const [first, last] : spans) {
      if (first < 0 || last < 0) continue;  // this phase does not use it
      for (long long t = first; t <= last && t < first + length; ++t, ++steps_)
        used.push_back(begin + static_cast<std::size_t>(t % length));
    }
  }

  int microbatches_, segments_, stages_;
  std::size_t workers_;
  std::vector<std::vector<schedule::op>> lists_;               // [phase * workers + worker]: its ops in order
  std::vector<std::vector<std::vector<std::size_t>>> places_;  // [list][unit]: of its ops
  std::vector<buffer> buffers_;
  long long steps_ = 0;
};

}  // namespace foal::executor
