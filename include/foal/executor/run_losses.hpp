// Losses of a run: sums over equal stretches of it, and each microbatch's where that is asked for.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <memory>
#include <utility>
#include <vector>

#include <foal/executor/arena.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::executor {

/// The worker of the last stage adds, in the order of its program, while another thread may read the sums that are complete.
/// Takes as much memory as there are stretches that have begun, however many microbatches there are.
class run_losses {
 public:
  /// `stretch`: microbatches, 0 for one stretch. `each`: keep the loss of each of the `microbatches` too. In a run that goes
  /// on after a pause, `done` of them are not added any more; `open` is the sum of those in a stretch with others.
  run_losses(long long first_microbatch, long long microbatches, long long stretch, bool each, long long done = 0,
             loss::loss_result const& open = {})
      : stretch_(stretch > 0 ? stretch : std::max(microbatches, 1LL)),
        before_(done / stretch_),
        first_(first_microbatch + before_ * stretch_),
        first_each_(first_microbatch + done),
        count_(done % stretch_) {
    auto const count = static_cast<std::size_t>(each ? microbatches - done : 0);
    with_memory("keep the loss of every microbatch", count * sizeof(loss::loss_result), [&] { each_.resize(count); });
    with_memory("keep the losses of a run", least * sizeof(loss::loss_result), [&] { block(0)[0] = open; });
    begun_ = count_ > 0 ? 1 : 0;
  }

  void add(long long microbatch, loss::loss_result const& loss) {
    auto const i = static_cast<std::size_t>(microbatch - first_), stretch = static_cast<std::size_t>(stretch_);
    auto const own = static_cast<std::size_t>(microbatch - first_each_);  // beyond all of them where it is below 0
    if (own < each_.size()) each_[own] = loss;
    loss::loss_result& sum = block(i / stretch)[place(i / stretch)];
    sum.sum += loss.sum;
    sum.weight += loss.weight;
    sum.correct += loss.correct;
    begun_ = std::max(begun_, i / stretch + 1);
    ++count_;
    if (count_ % stretch_ == 0) complete_.store(count_ / stretch_, std::memory_order_release);
  }

  /// Stretches that were complete before a pause: they come before stretch 0.
  long long before() const { return before_; }
  /// Stretches of which every microbatch has been added.
  long long complete() const { return complete_.load(std::memory_order_acquire); }
  /// Of stretch i, which is complete, or has begun and nobody adds any more.
  loss::loss_result const& sum(long long i) const {
    auto const at = static_cast<std::size_t>(i);
    return blocks_[level(at)][place(at)];
  }

  // What follows is for when the run is done.
  /// Microbatches of the run that have been added, before a pause too.
  long long count() const { return before_ * stretch_ + count_; }
  /// Of the stretch that is not complete.
  loss::loss_result open() const { return count_ % stretch_ == 0 ? loss::loss_result{} : sum(count_ / stretch_); }
  std::size_t sum_bytes() const { return begun_ * sizeof(loss::loss_result); }
  std::vector<loss::loss_result> sums() const {
    std::vector<loss::loss_result> all;
    all.reserve(begun_);
    for (std::size_t i = 0; i < begun_; ++i) all.push_back(sum(static_cast<long long>(i)));
    return all;
  }
  std::vector<loss::loss_result> take_each() { return std::move(each_); }

 private:
  /// Block b holds least << b sums: none moves when there are more, and there are few allocations.
  static constexpr std::size_t least = 1024;
  static std::size_t level(std::size_t i) { return static_cast<std::size_t>(std::bit_width(i / least + 1)) - 1; }
  static std::size_t place(std::size_t i) { return i - ((std::size_t{1} << level(i)) - 1) * least; }
  loss::loss_result* block(std::size_t i) {
    std::size_t const b = level(i);
    if (blocks_[b] == nullptr) blocks_[b] = std::make_unique<loss::loss_result[]>(least << b);
    return blocks_[b].get();
  }

  long long stretch_, before_, first_, first_each_, count_;
  std::size_t begun_ = 0;
  std::atomic<long long> complete_{0};
  std::array<std::unique_ptr<loss::loss_result[]>, 32> blocks_;
  std::vector<loss::loss_result> each_;
};

}  // namespace foal::executor
