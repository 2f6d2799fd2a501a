// A callback of evaluations that keeps the weights with the least loss in a file, while the pipeline works on.
#pragma once

#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/safetensors.hpp>
#include <foal/checkpoint/shared_weights.hpp>
#include <foal/observe/evaluation.hpp>
#include <foal/report/number.hpp>

namespace foal::checkpoint {

namespace detail {

struct does_nothing {
  void operator()(executor::evaluation_result const&) const {}
};

}  // namespace detail

/// .hooks = {.evaluated = checkpoint::keep_best(t, "best.safetensors")} writes the weights that were evaluated, not those
/// that the stages have by now, whenever their loss is the least so far; the metadata have "foal.update" and "foal.loss".
/// With a second callback, such as foal::early_stopping{}, its answer is this one's. What cannot be written ends the
/// training as what any callback throws. A fit that goes on from a checkpoint knows the least loss before it. Each of
/// several processes makes one, for the same path in a directory that all share, and writes what it hosts: the file is that
/// of one. Where one of them could not write, the next fit begins in all with the least loss of the file, which process 0
/// knows.
template <class Trainer, class Then = detail::does_nothing>
class keep_best {
 public:
  keep_best(Trainer const& of, std::string path, Then then = {})
      : of_(&of), path_(std::move(path)), then_(std::move(then)) {}

  auto operator()(executor::evaluation_result const& r) {
    if (r.loss < best_) {
      write({{"foal.update", std::to_string(r.update)}, {"foal.loss", report::shortest(r.loss)}});
      best_ = r.loss;  // not before: what could not be written is to be written yet
    }
    return then_(r);
  }
  void resume(std::vector<executor::evaluation_result> const& before) {
    for (executor::evaluation_result const& r : before)
      if (r.loss < best_) best_ = r.loss;
    if constexpr (requires { then_.resume(before); }) then_.resume(before);
  }

  /// The least loss, for the processes of one program.
  std::string known() const { return std::string(reinterpret_cast<char const*>(&best_), sizeof best_); }
  void know(std::string const& of_first) {
    if (of_first.size() == sizeof best_) std::memcpy(&best_, of_first.data(), sizeof best_);
  }

 private:
  void write(metadata about) const {
    using by = typename Trainer::template policy<role::executor>;
    if constexpr (requires { by::place(); })
      if (transport::process_place const here = by::place(); here.count > 1)
        return write_shared_safetensors(path_, *of_, std::move(about), here);
    write_safetensors(path_, *of_, std::move(about));
  }

  Trainer const* of_;
  std::string path_;
  Then then_;
  double best_ = std::numeric_limits<double>::infinity();
};

}  // namespace foal::checkpoint
