// Checkpoints of a fit, which the same program goes on from: .checkpoint = foal::checkpoints{.directory = "run"}.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/checkpoint/directory.hpp>
#include <foal/checkpoint/directory_lock.hpp>
#include <foal/checkpoint/memory_keeper.hpp>
#include <foal/checkpoint/process_group.hpp>
#include <foal/checkpoint/read_parts.hpp>
#include <foal/checkpoint/replica_note.hpp>
#include <foal/checkpoint/save_together.hpp>
#include <foal/core/interruption.hpp>
#include <foal/trainer/fit_keeper.hpp>

namespace foal {

/// What a fit saves, and whether it goes on. Each checkpoint is copied where all workers stand at one place, while nothing
/// drains, and written beside the training; the last one when the fit has come to its end. With `resume` the newest whole
/// one is looked for. If it is of this run, by its fingerprint and its data, the fit goes on from there to the bits of the
/// one that was not stopped, for any number of workers. After a change of anything else than the model, the loss, the
/// optimizer and the scalar type it goes on from the count of updates with the weights and states alone and an empty
/// pipeline, and says so in its notes. Throws foal::error otherwise, or where the directory has checkpoints that are not to
/// be resumed, or another program writes there. What cannot be written is a note, and the training goes on.
///
/// Of several processes each writes, and reads, what it hosts, in a directory that all share; a program goes on in any
/// number of them. A signal that comes to one ends all.
struct checkpoints {
  std::string directory;  ///< of this fit alone
  long long every_updates =
      0;                     ///< after so many, that every stage has had, when the one before is written; 0: none by count
  double every_seconds = 0;  ///< and after so long, or when the one before is written; 0: none by the clock
  int keep = 3;              ///< the newest so many whole ones
  bool resume = false;
  /// Copies of what each process hosts, in the memory of its machine and of the next process's, after so many updates; 0:
  /// none. They cost no disk, and outlive a process. A fit that goes on takes them where they are newer than what is on the
  /// disk and each part is somewhere; one that ends well removes them.
  long long memory_every = 0;
  std::string memory = "/dev/shm";  ///< a directory of files in memory
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
    require_number(how_.memory_every >= 0, "checkpoints", "memory_every", how_.memory_every, "0 or more");
  }

  fit_start begin(fit_place const& place) override {
    place_ = place;
    group_ = {place.here, place.exchange, place.swap};
    saving_.place({how_.directory, place.tables->model_name, how_.keep}, group_);
    last_ = place.begin;
    agree();
    group_.all([&] {
      check();
      if (group_.leads()) lock_.emplace(how_.directory);
    });
    if (how_.memory_every > 0) copies_.emplace(how_.memory, how_.directory, group_);
    keeps_ = share_of(*place_.tables, place_.engine->memory(), place_.rows, place_.row_count);
    fit_start start;
    if (how_.resume)
      start = resume();
    else
      begin_anew();
    told_ = start.told;
    last_in_memory_ = last_;
    begun_ = saved_at_ = clock::now();
    return start;
  }

  executor::run_cuts cuts() override {
    return {std::gcd(how_.every_updates, how_.memory_every), [this] { return wanted(); },
            [this](long long update) { return room(update); },
            [this](auto const& sums, auto const& evaluations, long long) { return taken(sums, evaluations); }};
  }

  void finish(executor::run_result const& result, fit_history const& told) override {
    settle();
    if (result.diverged || result.paused) return;
    if (place_.engine->updates() <= last_ && !told.ended) return drop_copies();
    executor::run_state of;
    of.begin = place_.begin;
    of.end = place_.begin + place_.minibatches;
    of.warmup = place_.warmup;
    place_.engine->cut_between(saving_.run.run, of);
    saving_.run.fit = told;
    save();
    settle();
    drop_copies();
  }

  std::vector<std::string> take_notes() override { return std::exchange(notes_, {}); }
  int interrupted() const override { return stopped_; }

 private:
  using clock = std::chrono::steady_clock;

  /// That all processes keep checkpoints alike, and of the same run.
  void agree() {
    auto const number = [](auto n) { return std::string(report::shortest(n)); };
    agree_on(group_, place_.run,
             {{"checkpoints' every_updates", number(how_.every_updates)},
              {"checkpoints' every_seconds", number(how_.every_seconds)},
              {"checkpoints' memory_every", number(how_.memory_every)},
              {"checkpoints' resume", how_.resume ? "true" : "false"}});
  }
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
    require(place_.engine->memory().whole() || !group_.alone(),
            "cannot save checkpoints of this run, because other processes host some of its stages and its executor has no ",
            "exchange(text) with them; give it one, or leave .checkpoint out");
  }
  void drop_copies() {
    if (copies_) copies_->clear();
  }
  void take_copies_notes() {
    if (!copies_) return;
    for (std::string& text : copies_->take_notes()) notes_.push_back(std::move(text));
  }
  void begin_anew() {
    group_.all([&] { refuse_others(); });
    drop_copies();
  }
  void refuse_others() const {
    if (!group_.leads()) return;
    for (std::uint64_t const update : detail::updates_in(how_.directory))
      require(what_is(how_.directory + "/" + step_folder(update) + "/" + manifest_name) == under_name::nothing,
              "cannot begin a run in ", how_.directory, ", because it has checkpoints already, of update ", update,
              "; resume from them with .resume = true, or name another directory");
  }

  fit_start resume() {
    std::vector<std::uint64_t> damaged;
    for (;;) {
      std::optional<whole_checkpoint> const from = newest_together(group_, how_.directory, damaged, notes_);
      if (copies_ && damaged.empty())
        if (auto copy = copies_->newest(from ? from->is.update : 0, keeps_)) {
          whole_checkpoint in_memory{sentence("the copies in memory of update ", copy->update), {}};
          in_memory.is.update = copy->update;
          in_memory.is.run = std::move(copy->run);
          return start_together(in_memory, std::move(copy->parts));
        }
      if (!from) {
        notes_.push_back(sentence("there is no checkpoint in ", how_.directory, " to resume from: the fit begins anew"));
        take_copies_notes();
        drop_copies();
        return {};
      }
      read_checkpoint parts;
      std::string fault;
      try {
        parts = read_parts(from->folder, from->is, keeps_);
      } catch (error const& e) {
        fault = e.what();
      }
      for (std::string& text : group_.texts(fault))
        if (fault = std::move(text); !fault.empty()) break;
      if (!fault.empty()) {
        notes_.push_back(std::move(fault));
        damaged.push_back(from->is.update);
        continue;
      }
      drop_copies();  // they may be of another run that was here
      return start_together(*from, std::move(parts));
    }
  }
  fit_start start_together(whole_checkpoint const& from, read_checkpoint parts) {
    take_copies_notes();
    fit_start start;
    group_.all([&] { start = start_with(from, std::move(parts)); });
    if (alone_) tell_states();
    return start;
  }

  fit_start start_with(whole_checkpoint const& from, read_checkpoint parts) {
    last_ = static_cast<long long>(from.is.update);
    auto const& first = parts.parts.front();
    part_view const view(first.run_path, first.run);
    auto const begin = view.number<long long>("run.begin");
    require(begin == place_.begin, "cannot go on from ", from.folder, ", because it is of a fit that began after ", begin,
            " updates, and this one begins after ", place_.begin, "; give each fit a directory of its own");
    std::string differs = report::difference(place_.run, from.is.run, {"in this run", "in that one"});
    long long const end = place_.begin + place_.minibatches, to = view.number<long long>("run.end");
    fit_history told = history_of(parts, keeps_);
    if (differs.empty()) {
      executor::run_state run;
      executor::each_number_of_run(
          run, [&](std::string const& name, auto& x) { x = view.number<std::remove_cvref_t<decltype(x)>>("run." + name); });
      bool const between = run.at.phase == executor::between_runs;
      if (between || to == end || place_.engine->may_end_at(run, end)) {
        saved_run all = run_of(std::move(parts), keeps_);
        if (!between) {
          all.run.run.end = end;
          auto const sums = untold_sums(all.run.run.losses, all.run.run.loss_every, executor::shares_of(*place_.tables));
          all.fit.epochs.insert(all.fit.epochs.end(), sums.begin(), sums.end());
        }
        place_.restore(all.policies, false);
        place_.engine->restore(all.run);
        place_.restore(all.policies, true);
        if (between) return start_between(from, all, end);
        notes_.push_back(sentence("going on from ", from.folder));
        return {fit_start::how::resumes, last_ - begin, std::move(all.fit)};
      }
      differs = sentence("that fit was to end after ", to,
                         " updates and had begun its last ones, and this one is "
                         "to end after ",
                         end);
    }
    return start_after(from, std::move(parts), std::move(told), differs, end);
  }

  /// The fit had come to its end.
  fit_start start_between(whole_checkpoint const& from, saved_run& all, long long end) {
    bool const done = all.fit.ended || all.run.update >= end;
    notes_.push_back(done
                         ? sentence("nothing is left to train: ", from.folder, " is of the end of this fit")
                         : sentence("going on from ", from.folder, " with an empty pipeline, because that fit ended there"));
    return {done ? fit_start::how::done : fit_start::how::after, all.run.update - place_.begin, std::move(all.fit)};
  }

  /// With weights and states alone.
  fit_start start_after(whole_checkpoint const& from, read_checkpoint parts, fit_history told, std::string const& differs,
                        long long end) {
    auto const value = [](report::fingerprint const& of, std::string const& name) {
      for (auto const& [item, text] : of.items)
        if (item == name) return text;
      return std::string();
    };
    for (char const* const name : {"loss", "optimizer", "scalar"})
      require(value(place_.run, name) == value(from.is.run, name), "cannot go on from ", from.folder, ", because its ", name,
              " is ", value(from.is.run, name), " where this run has ", value(place_.run, name),
              "; use the same, or load its weights alone with read_safetensors()");
    long long const tensors = parts.tensors(),
                    here = std::count_if(keeps_.named.begin(), keeps_.named.end(), [](auto const& a) { return a.here; });
    saved_weights const all = weights_of(std::move(parts), keeps_);
    place_.engine->begin_at(all.update, place_.warmup, all.arrays);
    notes_.push_back(sentence("going on after update ", all.update, " of ", from.folder,
                              ", with its weights and states alone and an empty pipeline, because ", differs));
    if (std::string note = replica_note(place_.run, from.is.run); !note.empty()) notes_.push_back(std::move(note));
    alone_ = {all.missing, here - all.missing, tensors};
    try {
      place_.restore(all.policies, false);
      place_.restore(all.policies, true);
    } catch (error const&) {
      notes_.emplace_back("what its policies had come to know is not of this run's policies, which begin anew");
    }
    long long const before = all.update - place_.begin;
    if (constexpr char const* same = "minibatches of an epoch"; value(place_.run, same) != value(from.is.run, same))
      told = {};
    auto const epochs = static_cast<std::size_t>(place_.per_epoch > 0 ? before / place_.per_epoch : 0);
    if (told.epochs.size() > epochs) told.epochs.resize(epochs);
    std::erase_if(told.evaluations, [&](auto const& e) { return e.update > all.update; });
    bool const done = told.ended || all.update >= end;
    return {done ? fit_start::how::done : fit_start::how::after, before, std::move(told)};
  }
  /// Which states were not found, over all processes.
  void tell_states() {
    long long missing = 0, unknown = alone_->tensors;
    for (std::string const& text : group_.texts(sentence(alone_->missing, ' ', alone_->used))) {
      std::size_t const space = text.find(' ');
      missing += std::stoll(text.substr(0, space));
      unknown -= std::stoll(text.substr(space + 1));
    }
    if (missing > 0 || unknown > 0)
      notes_.push_back(sentence(missing, " states of this run are not in it and begin anew, and ", unknown,
                                " of its own are not in this run"));
  }

  bool interrupts() const { return how_.until != nullptr && how_.until->signal() != 0; }
  /// Asked in all processes; what one wishes, they agree on.
  bool wanted() const {
    if (interrupts()) return true;
    if (how_.every_seconds == 0 || !group_.leads() || saving_.busy()) return false;
    return std::chrono::duration<double>(clock::now() - saved_at_).count() >= how_.every_seconds;
  }
  executor::run_cut* room(long long update) {
    in_memory_ = copies_ && !due_on_disk(update);
    bool const due = in_memory_ && update % how_.memory_every == 0 && update > last_in_memory_;
    if (in_memory_) return due ? &copies_->run.run : nullptr;
    settle();
    return update > last_ || signal_ != 0 ? &saving_.run.run : nullptr;
  }
  /// Whether a cut is for the disk, where others are for copies in memory: the same in all processes.
  bool due_on_disk(long long update) const {
    bool due = how_.every_updates > 0 && update % how_.every_updates == 0;
    for (std::string const& text : group_.texts(wanted() ? "1" : "0")) due = due || text == "1";
    return due;
  }
  executor::training taken(std::vector<loss::loss_result> const& sums,
                           std::vector<executor::evaluation_result> const& evaluations) {
    saved_run& to = in_memory_ ? copies_->run : saving_.run;
    to.fit = told_;
    to.fit.epochs.insert(to.fit.epochs.end(), sums.begin(), sums.end());
    to.fit.evaluations.insert(to.fit.evaluations.end(), evaluations.begin(), evaluations.end());
    to.fit.seconds += std::chrono::duration<double>(clock::now() - begun_).count();
    if (in_memory_) {
      last_in_memory_ = to.run.update;
      copies_->keep(about(to), keeps_.named, place_.tables->model_name);
      take_copies_notes();
      return executor::training::goes_on;
    }
    if (to.run.update > last_) save();
    if (signal_ == 0) return executor::training::goes_on;
    stopped_ = signal_;
    return executor::training::ends;
  }

  /// What a manifest says of a run, which gets what the engine does not know of it.
  manifest about(saved_run& of) const {
    of.policies = place_.policies();
    of.epochs = place_.epochs;
    manifest m;
    m.update = static_cast<std::uint64_t>(of.run.update);
    m.epoch = static_cast<std::uint64_t>(place_.epochs +
                                         (place_.per_epoch > 0 ? (of.run.update - place_.begin) / place_.per_epoch : 0));
    m.run = place_.run;
    return m;
  }
  void save() {
    last_ = saving_.run.run.update;
    saved_at_ = clock::now();
    saving_.begin(about(saving_.run), keeps_.named);
  }
  void settle() {
    int const here = how_.until == nullptr ? 0 : how_.until->signal(), any = saving_.settle(here);
    if (signal_ == 0) signal_ = any;
    for (std::string& text : saving_.take_notes()) notes_.push_back(std::move(text));
  }

  /// What was found of the states where weights alone were taken.
  struct found_states {
    long long missing, used, tensors;
  };

  checkpoints how_;
  fit_place place_;
  std::optional<directory_lock> lock_;
  process_group group_;
  kept_share keeps_;
  std::optional<found_states> alone_;
  std::optional<memory_keeper> copies_;
  bool in_memory_ = false;  ///< the copy that is taken
  fit_history told_;
  long long last_ = 0, last_in_memory_ = 0;  ///< updates of the newest checkpoint and copies
  int signal_ = 0, stopped_ = 0;             ///< of any process; of the one that has ended the fit
  std::vector<std::string> notes_;
  clock::time_point begun_{}, saved_at_{};
  save_together saving_;  // the last one: it ends first
};

}  // namespace checkpoint

inline std::unique_ptr<fit_keeper> checkpoints::make() const {
  require_name(directory, "write");
  return std::make_unique<checkpoint::run_keeper>(*this);
}

}  // namespace foal
