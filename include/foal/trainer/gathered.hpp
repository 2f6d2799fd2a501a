// The weights of a net whose stages several processes host, whole in each of them.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <foal/trainer/take.hpp>

namespace foal {

/// A trainer's weights, array by array, wherever their stage is: predictor.take(gathered(t)) and write_safetensors(path,
/// gathered(t)) are the calls of one process. Each function is one that all processes call, in the same order, and what it
/// gives is in all of them: as much memory as the callers keep of it. Refers to the trainer; not while a fit is at work.
template <class Trainer>
class gathered {
  using executor_type = typename Trainer::template policy<role::executor>;

 public:
  using model_type = typename Trainer::model_type;
  using scalar_type = typename Trainer::scalar_type;
  template <class Role>
  using policy = typename Trainer::template policy<Role>;

  explicit gathered(Trainer const& of) : of_(&of) {}

  table::run_tables const& tables() const { return of_->tables(); }
  long long updates() const { return of_->updates(); }

  std::vector<scalar_type> weights(int stage, std::size_t which) const {
    return from_its_process(stage, which, false, [&] { return of_->weights(stage, which); });
  }
  std::vector<scalar_type> statistics(int stage, std::size_t which) const {
    return from_its_process(stage, which, true, [&] { return of_->statistics(stage, which); });
  }
  std::vector<scalar_type> average(int stage, std::size_t which) const
    requires requires(Trainer const& t) { t.average(0, std::size_t{0}); }
  {
    return from_its_process(stage, which, false, [&] { return of_->average(stage, which); });
  }

 private:
  template <class Values>
  std::vector<scalar_type> from_its_process(int stage, std::size_t which, bool statistic, Values values) const {
    if constexpr (!requires { executor_type::exchange(std::string()); }) {
      return values();
    } else {
      if (executor_type::place().count == 1) return values();
      table::parameter_row const& row = of_->engine().row(stage, which, statistic);
      int const home = row.home_stage >= 0 ? row.home_stage : stage;
      std::string mine;
      if (of_->engine().stages()[static_cast<std::size_t>(home)].worker >= 0) {
        auto const v = values();
        mine.assign(reinterpret_cast<char const*>(v.data()), v.size() * sizeof(scalar_type));
      }
      std::vector<scalar_type> all(static_cast<std::size_t>(row.size));
      for (std::string const& text : executor_type::exchange(mine))
        if (!text.empty()) std::memcpy(all.data(), text.data(), text.size());
      return all;
    }
  }

  Trainer const* of_;
};

}  // namespace foal
