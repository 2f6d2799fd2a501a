// Losses of a run: sums over equal stretches of it, and each microbatch's where that is asked for.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/executor/arena.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::executor {

/// The worker of the last stage adds, in the order of its program; read when the run is done. Takes as much memory as there
/// are stretches, however many microbatches there are.
class run_losses {
 public:
  /// `stretch`: microbatches, 0 for one stretch. `each`: keep the loss of each of the `microbatches` too.
  run_losses(long long first_microbatch, long long microbatches, long long stretch, bool each)
      : first_(first_microbatch), stretch_(stretch > 0 ? stretch : std::max(microbatches, 1LL)) {
    // A list up to this length does not grow while the run is at work.
    constexpr long long most_reserved = 4096;
    auto const stretches = static_cast<std::size_t>(std::min((microbatches + stretch_ - 1) / stretch_, most_reserved));
    with_memory("keep the losses of a run", stretches * sizeof(loss::loss_result), [&] { sums_.reserve(stretches); });
    auto const count = static_cast<std::size_t>(each ? microbatches : 0);
    with_memory("keep the loss of every microbatch", count * sizeof(loss::loss_result), [&] { each_.resize(count); });
  }

  void add(long long microbatch, loss::loss_result const& loss) {
    auto const i = static_cast<std::size_t>(microbatch - first_);
    if (i < each_.size()) each_[i] = loss;
    std::size_t const at = i / static_cast<std::size_t>(stretch_);
    if (at >= sums_.size()) sums_.resize(at + 1);
    sums_[at].sum += loss.sum;
    sums_[at].weight += loss.weight;
    sums_[at].correct += loss.correct;
    ++count_;
  }

  long long count() const { return count_; }
  std::vector<loss::loss_result> take_sums() { return std::move(sums_); }
  std::vector<loss::loss_result> take_each() { return std::move(each_); }

 private:
  long long first_, stretch_, count_ = 0;
  std::vector<loss::loss_result> sums_, each_;
};

}  // namespace foal::executor
