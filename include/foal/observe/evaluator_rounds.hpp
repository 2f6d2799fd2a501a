// The evaluations of an evaluator, one after the other.
#pragma once

#include <string>
#include <vector>

#include <foal/observe/evaluation.hpp>

namespace foal::executor {

/// What all evaluations have in common, whoever asks for them. Keeps references.
class evaluator_rounds : public evaluation_rounds {
 public:
  evaluator_rounds(evaluator& copies, table::evaluation_source const& samples) : room_(copies), source_(samples) {}

  /// Of the weights that it is of.
  virtual long long update() const = 0;
  virtual bool heard(evaluation_result const& r, bool asked) = 0;

  std::vector<stage_run> const& runs() const override { return room_.runs(); }
  bool has_loss() const override { return room_.has_loss(); }
  std::vector<transport::entry_slots> border(std::size_t stage) const override { return room_.border(stage); }
  std::vector<evaluation_loan> loans() const override { return room_.loans(); }
  long long chunks() const override { return room_.chunks(source_); }
  void begins() override { room_.begin(); }
  void pass(stage_run const& r, long long chunk) override {
    with_memory("evaluate", room_.plan().bytes(), [&] { room_.pass(source_, update(), r, chunk); });
  }
  evaluation_result result() override { return room_.result(source_, update()); }
  std::string misfit() const override { return room_.misfit(); }
  bool told(evaluation_result const& r, std::string const& misfit, bool asked) override {
    room_.set_misfit(misfit);
    return heard(r, asked);
  }
  /// All of one, where all stages are here.
  evaluation_result evaluated() {
    evaluation_result r;
    with_memory("evaluate", room_.plan().bytes(), [&] { r = room_.run(source_, update()); });
    return r;
  }

 private:
  evaluator& room_;
  table::evaluation_source const& source_;
};

}  // namespace foal::executor
