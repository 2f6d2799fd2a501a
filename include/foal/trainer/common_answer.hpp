// What a callback answers to an evaluation behind a run, of several processes in all alike.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/executor/common_end.hpp>
#include <foal/trainer/run_request.hpp>

namespace foal::executor {

/// Calls it with the result, and gives whether the training ends. Of several processes all call this with the same result:
/// process 0 is called when all others have come back, its answer is that of all, and what one of them throws comes out of
/// all as a foal::error with its sentence.
template <class Executor>
bool ends_all(evaluated_callback const& called, evaluation_result const& r) {
  if constexpr (requires { Executor::exchange(std::string()); }) {
    if (Executor::place().count == 1) return called(r) == training::ends;
    bool const first = Executor::place().number == 0;
    constexpr char const *ends = "ends", *thrown = "thrown: ";
    std::string told;
    auto const call = [&] {
      try {
        if (called(r) == training::ends) told = ends;
      } catch (...) {
        told = thrown + text_of(std::current_exception());
      }
    };
    auto const all = [&] {
      std::vector<std::string> texts = Executor::exchange(told);
      for (std::string const& one : texts)
        if (one.starts_with(thrown)) throw error(one.substr(std::string(thrown).size()));
      return texts.front() == ends;
    };
    if (!first) call();
    static_cast<void>(all());
    if (first) call();
    return all();
  } else {
    return called(r) == training::ends;
  }
}

}  // namespace foal::executor
