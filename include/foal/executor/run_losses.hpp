// Losses of a run: sums over equal stretches of it, and each microbatch's where that is asked for.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include <foal/core/flat_table.hpp>
#include <foal/executor/arena.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::executor {

inline void add_to(loss::loss_result& sum, loss::loss_result const& loss) {
  sum.sum += loss.sum;
  sum.weight += loss.weight;
  sum.correct += loss.correct;
}

/// The losses of a stretch that have been added, which may be fewer than it has.
struct partial_sum {
  loss::loss_result sum{};
  long long count = 0;  ///< losses: of microbatches, or of their segments
};

/// What the last stage of a replica had added when a run paused.
struct losses_so_far {
  long long count = 0;            ///< losses: of microbatches, or of their segments
  long long complete = 0;         ///< stretches that are complete in all replicas
  std::vector<partial_sum> open;  ///< those behind them that have begun, in this one
};

/// Stretches that were complete in one replica, of so many of its losses each. Who did not know the others has them
/// among those that have begun.
inline long long complete_of(losses_so_far const& done, long long stretch) {
  auto const open =
      std::find_if(done.open.begin(), done.open.end(), [&](partial_sum const& o) { return o.count < stretch; });
  return done.complete + (open - done.open.begin());
}
/// Takes out the sums of those that were complete in all replicas, which nobody knew where processes had some replicas each.
/// stretch: of each replica.
inline std::vector<loss::loss_result> take_complete(std::vector<losses_so_far>& of, std::vector<long long> const& stretch) {
  std::vector<loss::loss_result> sums;
  long long complete = std::numeric_limits<long long>::max();
  for (std::size_t r = 0; r < of.size(); ++r) complete = std::min(complete, complete_of(of[r], stretch[r]));
  for (losses_so_far& one : of) {
    auto const n = static_cast<std::size_t>(complete - one.complete);
    bool const first = sums.empty();
    sums.resize(n);
    for (std::size_t i = 0; i < n; ++i)
      if (first)
        sums[i] = one.open[i].sum;
      else
        add_to(sums[i], one.open[i].sum);
    one.open.erase(one.open.begin(), one.open.begin() + static_cast<std::ptrdiff_t>(n));
    one.complete = complete;
  }
  return sums;
}

/// What one replica has added: for processes of which each has the last stages of some.
struct replica_losses {
  int replica = 0;
  long long microbatches = 0;  ///< before a pause too
  long long first = 0;         ///< stretch of the first sum
  long long had = 0;           ///< stretches that were complete in it when the run began, or went on
  std::vector<loss::loss_result> sums;
};

/// The worker of a last stage adds, in the order of its program, while another thread may read the sums that are complete. A
/// microbatch may come before some of an earlier stretch: programs say in what order they run.
/// Replicas add at the same time, each to sums of its own, and these are added in the order of replicas. Takes as much
/// memory as there are stretches that have begun, however many microbatches there are.
class run_losses {
 public:
  /// `stretch`: microbatches, 0 for one stretch. `each`: keep the loss of each of the `microbatches` too. `done`: by
  /// replica, in a run that goes on after a pause, what is not added any more (with `each` for one replica alone). `shares`:
  /// microbatches of a minibatch that each replica has, times `segments`: so many losses of a microbatch are added, one
  /// after the other or not, and what is said of losses so far counts them.
  run_losses(long long first_microbatch, long long microbatches, long long stretch, bool each,
             std::vector<losses_so_far> const& done = {}, std::vector<int> const& shares = {1}, int segments = 1)
      : stretch_(stretch > 0 ? stretch : std::max(microbatches, 1LL)), segments_(segments), parts_(shares.size()) {
    int all = 0;
    for (int const share : shares) all += share;
    for (std::size_t r = 0; r < parts_.size(); ++r) parts_[r].stretch = std::max(stretch_ * segments * shares[r] / all, 1LL);
    before_ = done.empty() ? 0 : std::numeric_limits<long long>::max();
    for (std::size_t r = 0; r < done.size(); ++r) before_ = std::min(before_, complete_of(done[r], parts_[r].stretch));
    long long added = 0;
    for (losses_so_far const& before : done) added += before.count;
    require(!each || added % segments == 0,
            "cannot give the loss of every microbatch, because this run goes on between two of the ", segments,
            " segments of microbatch ", first_microbatch + added / segments,
            ", and what was added before belongs to the sums alone; pause at another place, or ask for sums "
            "(.loss_every)");
    added /= segments;
    first_ = first_microbatch + before_ * stretch_;
    first_each_ = first_microbatch + added;
    auto const count = static_cast<std::size_t>(each ? microbatches - added : 0);
    with_memory("keep the loss of every microbatch", count * sizeof(loss::loss_result), [&] { each_.resize(count); });
    with_memory("keep the losses of a run", parts_.size() * least * sizeof(partial_sum), [&] {
      for (std::size_t r = 0; r < parts_.size(); ++r) {
        part& p = parts_[r];
        p.at(0) = {};
        if (done.empty()) continue;
        p.count = done[r].count;
        for (auto i = static_cast<std::size_t>(before_ - done[r].complete); i < done[r].open.size(); ++i)
          p.at(p.begun++) = done[r].open[i];
        p.look();
        p.had = before_ + p.complete.load();
      }
    });
  }

  void add(long long microbatch, loss::loss_result const& loss, int replica = 0) {
    auto const i = static_cast<std::size_t>(microbatch - first_) / static_cast<std::size_t>(stretch_);
    auto const own = static_cast<std::size_t>(microbatch - first_each_);  // beyond all of them where it is below 0
    if (own < each_.size()) add_to(each_[own], loss);
    part& p = parts_[static_cast<std::size_t>(replica)];
    partial_sum& to = p.at(i);
    add_to(to.sum, loss);
    p.begun = std::max(p.begun, i + 1);
    ++p.count;
    if (++to.count == p.stretch) p.look();
  }

  /// Stretches that were complete before a pause: they come before stretch 0.
  long long before() const { return before_; }
  /// Stretches of which every microbatch has been added.
  long long complete() const {
    long long of_all = parts_[0].complete.load(std::memory_order_acquire);
    for (part const& p : parts_) of_all = std::min(of_all, p.complete.load(std::memory_order_acquire));
    return of_all;
  }
  /// Of stretch i, which is complete, or has begun and nobody adds any more.
  loss::loss_result sum(long long i) const {
    loss::loss_result sum = parts_[0].partial(static_cast<std::size_t>(i)).sum;
    for (std::size_t r = 1; r < parts_.size(); ++r) add_to(sum, parts_[r].partial(static_cast<std::size_t>(i)).sum);
    return sum;
  }

  // What follows is for when the run is done.
  /// Microbatches of the run that have been added, before a pause too.
  long long count() const {
    long long all = 0;
    for (part const& p : parts_) all += p.count;
    return all / segments_;
  }
  /// By replica: for a run that pauses.
  std::vector<losses_so_far> so_far() const {
    std::vector<losses_so_far> all;
    for (part const& p : parts_) {
      losses_so_far& now = all.emplace_back();
      now.count = p.count;
      now.complete = before_ + complete();
      for (auto i = static_cast<std::size_t>(complete()); i < p.begun; ++i) now.open.push_back(p.partial(i));
    }
    return all;
  }
  std::size_t sum_bytes() const { return begun() * sizeof(loss::loss_result); }
  std::vector<loss::loss_result> sums() const {
    std::vector<loss::loss_result> all;
    all.reserve(begun());
    for (std::size_t i = 0; i < begun(); ++i) all.push_back(sum(static_cast<long long>(i)));
    return all;
  }
  replica_losses of(int replica) const {
    part const& p = parts_[static_cast<std::size_t>(replica)];
    replica_losses all{replica, p.count / segments_, before_, p.had, {}};
    for (std::size_t i = 0; i < p.begun; ++i) all.sums.push_back(p.partial(i).sum);
    return all;
  }
  std::vector<loss::loss_result> take_each() { return std::move(each_); }

 private:
  /// Block b holds least << b sums: none moves when there are more, and there are few allocations.
  static constexpr std::size_t least = 1024;
  static std::size_t level(std::size_t i) { return static_cast<std::size_t>(std::bit_width(i / least + 1)) - 1; }
  static std::size_t place(std::size_t i) { return i - ((std::size_t{1} << level(i)) - 1) * least; }

  /// What one replica has added.
  struct alignas(alignment) part {
    long long stretch = 1;  ///< its losses of a stretch
    long long count = 0;    ///< its losses, before a pause too
    long long had = 0;      ///< stretches that were complete before a pause
    std::size_t begun = 0;
    std::atomic<long long> complete{0};
    std::array<std::vector<partial_sum>, 32> blocks;

    partial_sum& at(std::size_t i) {
      std::size_t const b = level(i);
      if (blocks[b].empty()) blocks[b].resize(least << b);
      return blocks[b][place(i)];
    }
    partial_sum partial(std::size_t i) const {
      std::size_t const b = level(i);
      return blocks[b].empty() ? partial_sum{} : blocks[b][place(i)];
    }
    /// How many stretches from the first one on are complete.
    void look() {
      long long done = complete.load(std::memory_order_relaxed);
      while (partial(static_cast<std::size_t>(done)).count == stretch) ++done;
      complete.store(done, std::memory_order_release);
    }
  };

  std::size_t begun() const {
    std::size_t most = 0;
    for (part const& p : parts_) most = std::max(most, p.begun);
    return most;
  }

  long long stretch_, before_ = 0, first_ = 0, first_each_ = 0;
  int segments_;
  flat_table<part> parts_;  ///< by replica
  std::vector<loss::loss_result> each_;
};

}  // namespace foal::executor
