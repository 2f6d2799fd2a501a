// Evaluations, as who brings them on over several processes sees them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <foal/transport/open_end.hpp>

namespace foal::executor {

struct evaluation_result {
  long long update = 0;  ///< every stage's weights after this many updates
  double loss = 0;       ///< mean over the targets that count; NaN where there is none
  double accuracy = 0;   ///< share of correct targets; one whose loss is not finite is none. NaN: the loss has none
  long long samples = 0;
  /// Empty where loss is a finite number; else the sentence that says why it is not: no target counts, a target is a class
  /// number that the model does not have, or samples from here to there have a loss that is not finite.
  std::string fault{};
};

/// Neighbouring stages, from one up to another.
struct stage_run {
  std::size_t first = 0, end = 0;
};

/// A tied parameter whose home another process has than the stage that borrows it.
struct evaluation_loan {
  std::size_t home = 0, borrower = 0;  ///< stages
  transport::entry_slots at{};         ///< where it lies here: at home in the copies, else in a slot; none: neither is here
};

/// The evaluations of a phase, one after the other, in one of the processes that make them together. All processes ask for
/// the same ones.
struct evaluation_rounds {
  evaluation_rounds() = default;
  evaluation_rounds(evaluation_rounds const&) = delete;
  evaluation_rounds& operator=(evaluation_rounds const&) = delete;
  virtual ~evaluation_rounds() = default;

  // What they are.
  /// How many there are at most.
  virtual long long most() const = 0;
  /// Whether another one is to be done, as far as is known: a phase that ends or pauses early has fewer.
  virtual bool due() const = 0;
  /// Whether the weights of all stages that are here have been copied for it.
  virtual bool copied() const = 0;

  // What is done for one of them here.
  /// The stages that are here, ascending; no two runs are neighbours.
  virtual std::vector<stage_run> const& runs() const = 0;
  /// Whether the last stage is here, with the loss.
  virtual bool has_loss() const = 0;
  /// The slot of each entry of the wire into a stage whose neighbour is in another process.
  virtual std::vector<transport::entry_slots> border(std::size_t stage) const = 0;
  /// All loans between processes: the same list in each.
  virtual std::vector<evaluation_loan> loans() const = 0;
  /// How many chunks of samples each has.
  virtual long long chunks() const = 0;
  /// Its first chunk is about to be evaluated.
  virtual void begins() = 0;
  /// One chunk, through one run of stages.
  virtual void pass(stage_run const& r, long long chunk) = 0;
  /// Where the loss is, after the last chunk. misfit: why a target is none of the model's.
  virtual evaluation_result result() = 0;
  virtual std::string misfit() const = 0;

  // What all of them hear.
  /// The result, with the misfit. asked: whether the training goes on, which it gives; not where one that was asked before
  /// has thrown.
  virtual bool told(evaluation_result const& r, std::string const& misfit, bool asked) = 0;
  /// Whether nothing that is called here beside the training has thrown.
  virtual bool well() const { return true; }
  /// It is over, and the copies are no longer read. ends: the training does, in all processes.
  virtual void over(bool ends) = 0;
};

}  // namespace foal::executor
