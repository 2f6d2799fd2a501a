// Checkpoints of a fit, which the same program goes on from: .checkpoint = foal::checkpoints{.directory = "run"}.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/background_writer.hpp>
#include <foal/checkpoint/directory.hpp>
#include <foal/checkpoint/directory_lock.hpp>
#include <foal/checkpoint/replica_note.hpp>
#include <foal/checkpoint/run_file.hpp>
#include <foal/core/interruption.hpp>
#include <foal/trainer/fit_keeper.hpp>

namespace foal {

/// What a fit saves, and whether it goes on. Each checkpoint is copied where all workers stand at one place, while nothing
/// drains, and written beside the training; the last one when the fit has come to its end. With `resume` the newest whole
/// one is looked for. If it is of this run, by its fingerprint and its data, the fit goes on from there to the bits of the
/// one that was not stopped, for any number of workers. After a change of anything else than the model, the loss, the
/// optimizer and the scalar type it goes on from the count of updates with the weights and states alone and an empty
/// pipeline, and says so in its notes. Throws foal::error otherwise, or where the directory has checkpoints that are not to
/// be resumed, or another process writes there. What cannot be written is a note, and the training goes on.
struct checkpoints {
  std::string directory;  ///< of this fit alone
  long long every_updates =
      0;                     ///< after so many, that every stage has had, when the one before is written; 0: none by count
  double every_seconds = 0;  ///< and after so long, or when the one before is written; 0: none by the clock
  int keep = 3;              ///< the newest so many whole ones
  bool resume = false;
  /// After the first signal of it: a checkpoint, and the fit ends there (fit_report::interrupted).
  interruption const* until = nullptr;

  std::unique_ptr<fit_keeper> make() const;
};

namespace checkpoint {

class run_keeper final : public fit_keeper {
 public:
  explicit run_keeper(checkpoints how) : how_(std::move(how)) {
    require_number(how_.every_updates >= 0, "checkpoints", "every_updates", how_.every_updates, "0 or more");
    require_number(how_.every_seconds >= 0, "checkpoints", "every_seconds", how_.every_seconds, "0 or more");
    require_number(how_.keep >= 1, "checkpoints", "keep", how_.keep, "1 or more");
  }
  ~run_keeper() override { writer_.wait(); }

  fit_start begin(fit_place const& place) override {
    place_ = place;
    last_ = place.begin;
    check();
    lock_.emplace(how_.directory);
    name_arrays();
    fit_start start;
    if (how_.resume)
      start = resume();
    else
      refuse_others();
    told_ = start.told;
    begun_ = saved_at_ = clock::now();
    return start;
  }

  executor::run_cuts cuts() override {
    return {how_.every_updates, [this] { return wanted(); }, [this](long long update) { return room(update); },
            [this](auto const& sums, auto const& evaluations, long long) { return taken(sums, evaluations); }};
  }

  void finish(executor::run_result const& result, fit_history const& told) override {
    settle();
    if (result.diverged || result.paused) return;
    if (place_.engine->updates() <= last_ && !told.ended) return;
    executor::run_state of;
    of.begin = place_.begin;
    of.end = place_.begin + place_.minibatches;
    of.warmup = place_.warmup;
    place_.engine->cut_between(saved_.run, of);
    saved_.fit = told;
    save();
    settle();
  }

  std::vector<std::string> take_notes() override { return std::exchange(notes_, {}); }
  int interrupted() const override { return stopped_; }

 private:
  using clock = std::chrono::steady_clock;

  void check() const {
    report::fingerprint const& run = place_.run;
    require(run.unknown.empty(),
            "cannot save checkpoints of this run, because nothing would say whether it is the same: the ", "policy of '",
            run.unknown.empty() ? "" : run.unknown.front(),
            "' has numbers and lists none; give it a member numbers(f) that does");
    require(
        !place_.engine->compares(),
        "cannot save checkpoints of a run with .diagnostics, because they compare with weights from before; leave one of "
        "them out");
    require(place_.engine->memory().whole(),
            "cannot save checkpoints of this run, because other processes host some of its ",
            "stages; train in one process, or leave .checkpoint out");
  }
  void name_arrays() {
    std::optional<layouts> order;
    try {
      order.emplace(place_.rows, place_.row_count);
    } catch (error const&) {
      // It has an order that PyTorch has not: then that is kept.
    }
    named_ = named_arrays(*place_.tables, place_.engine->memory(), order ? &*order : nullptr);
  }
  void refuse_others() const {
    for (std::uint64_t const update : detail::updates_in(how_.directory))
      require(what_is(how_.directory + "/" + step_folder(update) + "/" + manifest_name) == under_name::nothing,
              "cannot begin a run in ", how_.directory, ", because it has checkpoints already, of update ", update,
              "; resume from them with .resume = true, or name another directory");
  }

  fit_start resume() {
    std::vector<std::uint64_t> damaged;
    for (;;) {
      manifest_check const others = [&](manifest const& m) {
        bool const seen = std::find(damaged.begin(), damaged.end(), m.update) != damaged.end();
        return seen ? std::string("it is damaged") : std::string();
      };
      found_checkpoints const found = newest_whole(how_.directory, others, reading::headers);
      if (damaged.empty()) notes_ = found.passed_over;
      if (!found.newest) {
        notes_.push_back(sentence("there is no checkpoint in ", how_.directory, " to resume from: the fit begins anew"));
        return {};
      }
      std::string const w = found.newest->folder + "/" + weights_file, r = found.newest->folder + "/" + run_file;
      safetensors_content weights, run;
      try {
        weights = read_safetensors_file(w);
        run = read_safetensors_file(r);
      } catch (error const& e) {
        notes_.emplace_back(e.what());
        damaged.push_back(found.newest->is.update);
        continue;
      }
      return start_with(*found.newest, w, weights, r, run);
    }
  }

  fit_start start_with(whole_checkpoint const& from, std::string const& w, safetensors_content const& weights,
                       std::string const& r, safetensors_content const& run) {
    last_ = static_cast<long long>(from.is.update);
    part_view const view(r, run);
    auto const begin = view.number<long long>("run.begin");
    require(begin == place_.begin, "cannot go on from ", from.folder, ", because it is of a fit that began after ", begin,
            " updates, and this one begins after ", place_.begin, "; give each fit a directory of its own");
    std::string differs = report::difference(place_.run, from.is.run, {"in this run", "in that one"});
    long long const end = place_.begin + place_.minibatches;
    if (differs.empty()) {
      saved_run all = run_of(w, weights, r, run, named_);
      if (all.run.run.at.phase == executor::between_runs) return start_between(from, all, end);
      if (all.run.run.end == end || place_.engine->may_end_at(all.run.run, end)) {
        all.run.run.end = end;
        place_.restore(all.policies, false);
        place_.engine->restore(all.run);
        place_.restore(all.policies, true);
        notes_.push_back(sentence("going on from ", from.folder));
        return {fit_start::how::resumes, last_ - begin, std::move(all.fit)};
      }
      differs = sentence("that fit was to end after ", all.run.run.end,
                         " updates and had begun its last ones, and this one is "
                         "to end after ",
                         end);
    }
    return start_after(from, w, weights, view, run.about, differs, end);
  }

  /// The fit had come to its end.
  fit_start start_between(whole_checkpoint const& from, saved_run& all, long long end) {
    place_.restore(all.policies, false);
    place_.engine->restore(all.run);
    place_.restore(all.policies, true);
    bool const done = all.fit.ended || all.run.update >= end;
    notes_.push_back(done
                         ? sentence("nothing is left to train: ", from.folder, " is of the end of this fit")
                         : sentence("going on from ", from.folder, " with an empty pipeline, because that fit ended there"));
    return {done ? fit_start::how::done : fit_start::how::after, all.run.update - place_.begin, std::move(all.fit)};
  }

  /// With weights and states alone.
  fit_start start_after(whole_checkpoint const& from, std::string const& w, safetensors_content const& weights,
                        part_view const& run, metadata const& about, std::string const& differs, long long end) {
    auto const value = [](report::fingerprint const& of, std::string const& name) {
      for (auto const& [item, text] : of.items)
        if (item == name) return text;
      return std::string();
    };
    for (char const* const name : {"loss", "optimizer", "scalar"})
      require(value(place_.run, name) == value(from.is.run, name), "cannot go on from ", from.folder, ", because its ", name,
              " is ", value(from.is.run, name), " where this run has ", value(place_.run, name),
              "; use the same, or load its weights alone with read_safetensors()");
    saved_weights const all = weights_of(w, weights, named_);
    place_.engine->begin_at(all.update, place_.warmup, all.arrays);
    notes_.push_back(sentence("going on after update ", all.update, " of ", from.folder,
                              ", with its weights and states alone and an empty pipeline, because ", differs));
    if (std::string note = replica_note(place_.run, from.is.run); !note.empty()) notes_.push_back(std::move(note));
    if (all.missing > 0 || all.unknown > 0)
      notes_.push_back(sentence(all.missing, " states of this run are not in it and begin anew, and ", all.unknown,
                                " of its own are not in this run"));
    try {
      place_.restore(all.policies, false);
      place_.restore(all.policies, true);
    } catch (error const&) {
      notes_.emplace_back("what its policies had come to know is not of this run's policies, which begin anew");
    }
    long long const before = all.update - place_.begin;
    fit_history told;
    if (constexpr char const* same = "minibatches of an epoch"; value(place_.run, same) == value(from.is.run, same))
      told = detail::history_of(run, about);
    auto const epochs = static_cast<std::size_t>(place_.per_epoch > 0 ? before / place_.per_epoch : 0);
    if (told.epochs.size() > epochs) told.epochs.resize(epochs);
    std::erase_if(told.evaluations, [&](auto const& e) { return e.update > all.update; });
    bool const done = told.ended || all.update >= end;
    return {done ? fit_start::how::done : fit_start::how::after, before, std::move(told)};
  }

  bool interrupts() const { return how_.until != nullptr && how_.until->signal() != 0; }
  bool wanted() const {
    if (interrupts()) return true;
    if (how_.every_seconds == 0 || writer_.busy()) return false;
    return std::chrono::duration<double>(clock::now() - saved_at_).count() >= how_.every_seconds;
  }
  executor::run_cut* room(long long update) {
    settle();
    return update > last_ || interrupts() ? &saved_.run : nullptr;
  }
  executor::training taken(std::vector<loss::loss_result> const& sums,
                           std::vector<executor::evaluation_result> const& evaluations) {
    saved_.fit = told_;
    saved_.fit.epochs.insert(saved_.fit.epochs.end(), sums.begin(), sums.end());
    saved_.fit.evaluations.insert(saved_.fit.evaluations.end(), evaluations.begin(), evaluations.end());
    saved_.fit.seconds += std::chrono::duration<double>(clock::now() - begun_).count();
    if (saved_.run.update > last_) save();
    if (!interrupts()) return executor::training::goes_on;
    stopped_ = how_.until->signal();
    return executor::training::ends;
  }

  /// Begins to write what has been copied.
  void save() {
    saved_.policies = place_.policies();
    saved_.epochs = place_.epochs;
    last_ = saved_.run.update;
    saved_at_ = clock::now();
    writer_.begin([this] { write(); });
  }
  void write() {
    encode(parts_, saved_, named_, place_.tables->model_name);
    auto const update = static_cast<std::uint64_t>(saved_.run.update);
    std::string const folder = begin_checkpoint(how_.directory, update);
    manifest m;
    m.update = update;
    m.epoch = static_cast<std::uint64_t>(place_.epochs +
                                         (place_.per_epoch > 0 ? (saved_.run.update - place_.begin) / place_.per_epoch : 0));
    m.run = place_.run;
    m.parts = {{weights_file, parts_.weights.write(folder + "/" + weights_file)},
               {run_file, parts_.run.write(folder + "/" + run_file)}};
    finish_checkpoint(folder, m);
    keep_newest(how_.directory, how_.keep, {}, reading::headers);
  }
  /// Waits for the writer, and notes what went wrong.
  void settle() {
    writer_.wait();
    if (std::string fault = writer_.take_fault(); !fault.empty() && fault != fault_) {
      fault_ = fault;
      notes_.push_back(sentence(fault, " (the training goes on, and the next checkpoint is tried)"));
    }
  }

  checkpoints how_;
  fit_place place_;
  std::optional<directory_lock> lock_;
  std::vector<named_array> named_;
  saved_run saved_;  ///< of the thread that writes, while it does
  run_parts parts_;
  fit_history told_;
  long long last_ = 0;  ///< update of the newest checkpoint
  int stopped_ = 0;
  std::string fault_;
  std::vector<std::string> notes_;
  clock::time_point begun_{}, saved_at_{};
  background_writer writer_;  // the last one: it ends first
};

}  // namespace checkpoint

inline std::unique_ptr<fit_keeper> checkpoints::make() const {
  require_name(directory, "write");
  return std::make_unique<checkpoint::run_keeper>(*this);
}

}  // namespace foal
