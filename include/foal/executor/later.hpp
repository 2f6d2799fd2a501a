// What a unit's queue leaves to be read late, on devices whose ops are done later than they return: losses, and whether U
// has found a gradient that it can use. And the numbers that its ops find when they are done.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <foal/core/flat_table.hpp>
#include <foal/layer/loss/result.hpp>
#include <foal/plan/step_block.hpp>

namespace foal::executor {

/// How the ops of a unit are called: to be done, or, in a period that is recorded, to be recorded, or for all else but what
/// a recording then does again.
enum class calling : std::uint8_t { now, recorded, again };

/// Where an op of a recorded period has its numbers, and behind them the data that it brings to the device: a place in the
/// host's memory, which is written before the launch, and the one in the device's where the op finds it.
struct op_place {
  step_block layout{};
  std::byte *host = nullptr, *device = nullptr;
  std::size_t inputs = 0, targets = 0;  ///< where in it they begin
  double divide = 1;                    ///< of a loss, as it was recorded
  lengths_of_axes lengths{};            ///< of sequences, the same

  /// NaN: F has moved a statistic to what is not finite. Once the launch is done.
  double statistics_bound() const { return reinterpret_cast<table::step_numbers const*>(host)->bound; }
};

/// A unit's. Called by its worker alone.
class later {
 public:
  /// block: block_of() bytes of the unit, in device memory.
  later(table::run_tables const& t, step_block const& layout, std::byte* block)
      : d_(t.device),
        at_(layout),
        block_(block),
        written_(layout.losses),
        host_(d_.allocate_host(sizeof(double) + sizeof(device::loss_sums) * static_cast<std::size_t>(layout.loss_slots)),
              d_.release_host),
        bound_done_(make_event()),
        losses_(static_cast<std::size_t>(layout.loss_slots)) {
    for (int i = 0; i < layout.loss_slots; ++i) loss_done_.push_back(make_event());
  }
  later(later const&) = delete;
  later& operator=(later const&) = delete;

  // Numbers: written here, then brought to the block; of a recorded period to the op's place, before the launch.
  void const* block() const { return in_period() ? place_->device : block_; }
  step_block const& layout() const { return in_period() ? place_->layout : at_; }
  void* number(std::size_t at) { return (in_period() ? place_->host : written_.data()) + at; }
  void bring(void* device, std::size_t from, std::size_t to) const {
    if (!in_period()) d_.copy_in(device, block_ + from, written_.data() + from, to - from);
  }
  /// The ordinal of the first sample of the op to come.
  void bring_sample(void* device, std::uint64_t sample) {
    std::size_t const at = offsetof(table::step_numbers, sample);
    std::memcpy(number(at), &sample, sizeof sample);
    bring(device, at, at + sizeof sample);
  }
  std::uint64_t const* sample() const { return &numbers()->sample; }
  void limit(double safe) { std::memcpy(number(offsetof(table::step_numbers, limit)), &safe, sizeof safe); }

  // Losses, in the order of the program.
  struct loss_place {
    long long microbatch = 0, key = 0, updates = 0;
  };
  struct told_loss {
    loss_place of;
    loss::loss_result result;
  };
  bool full() const { return told_ + losses_.size() == given_; }
  device::loss_sums* loss_room() const {
    return reinterpret_cast<device::loss_sums*>(block_ + at_.loss_at(given_ % losses_.size()));
  }
  /// The loss of a microbatch has been called, with loss_room().
  void give_loss(void* device, loss_place const& of) {
    std::size_t const i = given_++ % losses_.size();
    losses_[i] = of;
    if (how_ == calling::again) return;
    d_.copy_back(device, host_sums() + i, block_ + at_.loss_at(i), sizeof(device::loss_sums));
    if (!in_period()) d_.record(device, loss_done_[i].get());
  }
  /// The next one that is there, of a recorded period any; with `wait` the next one that there will be. Nothing: there is
  /// none.
  std::optional<told_loss> next_loss(bool wait) {
    if (told_ == given_) return std::nullopt;
    std::size_t const i = told_ % losses_.size();
    if (wait && !launched_)
      d_.finish(loss_done_[i].get());
    else if (!launched_ && !d_.done(loss_done_[i].get()))
      return std::nullopt;
    ++told_;
    return told_loss{losses_[i], loss::result_of(host_sums()[i])};
  }

  // U, of which one is not settled at most.
  table::update_call call{};  ///< of the stage
  double most = 0;            ///< the limit it was called with
  long long key = 0;
  bool pending = false;
  /// Calls the bound of a gradient, which U reads in the block.
  void call_bound(void* device, std::size_t n, void const* g) {
    if (how_ == calling::again) return;
    double* const to = &numbers()->bound;
    d_.magnitude_bound_to(device, n, g, to);
    d_.copy_back(device, host_.get(), to, sizeof *to);
    if (!in_period()) d_.record(device, bound_done_.get());
  }
  /// The same of the statistics that an F of a recorded period has moved, for statistics_bound() of its place.
  void call_statistics(void* device, std::size_t n, void const* moved) {
    double* const to = &numbers()->bound;
    d_.magnitude_bound_to(device, n, moved, to);
    d_.copy_back(device, place_->host + offsetof(table::step_numbers, bound), to, sizeof *to);
  }
  double bound() const {
    if (!launched_) d_.finish(bound_done_.get());
    return *static_cast<double const*>(host_.get());
  }

  // Periods that are recorded.
  bool in_period() const { return how_ != calling::now; }
  bool again() const { return how_ == calling::again; }
  op_place const& place() const { return *place_; }
  /// A period begins whose losses and bounds are there when its launch is done. Needs that all before have been read.
  void begin_period() {
    given_ = told_ = 0;
    launched_ = true;
  }
  /// All of them have been read.
  void end_period() { launched_ = false; }
  /// It has not been launched: nothing of it is to be read.
  void abandon_period() {
    told_ = given_;
    pending = launched_ = false;
  }
  /// An op of it, whose numbers are in its place until leave().
  void enter(calling how, op_place const& at) {
    how_ = how;
    place_ = &at;
  }
  void leave() { how_ = calling::now; }

 private:
  using owner = std::unique_ptr<void, void (*)(void*)>;
  owner make_event() const { return {d_.make_event(), d_.destroy_event}; }
  table::step_numbers* numbers() const {
    return reinterpret_cast<table::step_numbers*>(in_period() ? place_->device : block_);
  }
  device::loss_sums* host_sums() const {
    return reinterpret_cast<device::loss_sums*>(static_cast<std::byte*>(host_.get()) + sizeof(double));
  }

  table::device_functions const& d_;
  step_block at_;
  std::byte* block_;
  std::vector<std::byte> written_;
  owner host_, bound_done_;
  std::vector<owner> loss_done_;
  flat_table<loss_place> losses_;
  std::size_t given_ = 0, told_ = 0;
  calling how_ = calling::now;
  op_place const* place_ = nullptr;
  bool launched_ = false;  ///< what is to be read comes with the launch of a recording
};

}  // namespace foal::executor
