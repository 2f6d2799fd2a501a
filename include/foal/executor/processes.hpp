// One process for some of the ranks, and a transport between them.
#pragma once

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <foal/executor/agreement.hpp>
#include <foal/executor/common_end.hpp>
#include <foal/executor/drive.hpp>
#include <foal/executor/open_sums.hpp>
#include <foal/executor/origin.hpp>
#include <foal/executor/shared_evaluation.hpp>
#include <foal/executor/stall_guard.hpp>
#include <foal/transport/agree.hpp>
#include <foal/transport/message_end.hpp>

namespace foal::executor {

namespace detail {

template <class Transport>
struct channel_of {
  using type = void;
};
template <transport::connects Transport>
struct channel_of<Transport> {
  using type = typename Transport::channel;
};

/// Said by driver_of(), so that it is the one error.
template <class Transport>
struct joins {
  static_assert(
      transport::connects<Transport>,
      "foal: cannot join processes over this transport, because it lacks place(), exchange(text), end_all(text), "
      "tell(process, note), heard(), a channel of (transport&, open_end, int) with progress(), done() and end_at(n), or a "
      "constructor without arguments; give it all of foal/transport/contract.hpp");
};

/// What one does that finds nothing to do: polls a while, then offers the core to others between two polls, then sleeps,
/// each time for a sixteenth of what it has waited already, so that what comes is seen late by as much at most. It polls
/// longer where that has been worth it, for what an offered core costs on a machine with more to do.
class patience {
 public:
  void moved() {
    if (idle_ > polls && !gave_) poll_ = std::min(2 * poll_, longest_poll);
    idle_ = 0;
    gave_ = false;
  }
  void wait() {
    if (++idle_ <= polls) return spin_pause();
    auto const now = std::chrono::steady_clock::now();
    if (idle_ == polls + 1) since_ = now;
    std::chrono::nanoseconds const waited = now - since_;
    if (waited < poll_ && !gave_) return spin_pause();
    if (!std::exchange(gave_, true)) poll_ = std::max(poll_ / 2, shortest_poll);
    if (waited < awake) return std::this_thread::yield();
    std::this_thread::sleep_for(std::min(waited / 16, longest_nap));
  }

 private:
  static constexpr int polls = 200;  // before it looks at the clock
  static constexpr std::chrono::nanoseconds shortest_poll = std::chrono::microseconds(10),
                                            longest_poll = std::chrono::microseconds(500),
                                            awake = std::chrono::milliseconds(1), longest_nap = std::chrono::milliseconds(1);

  int idle_ = 0;
  bool gave_ = false;  // the core to others
  std::chrono::nanoseconds poll_ = longest_poll;
  std::chrono::steady_clock::time_point since_{};
};

}  // namespace detail

/// Ranks are spread over the workers of all processes; each process has memory for the stages of its own alone. With one
/// worker a process the calling thread runs its ops and brings messages on, in turn; with several each has a thread, and the
/// calling one brings messages on. No other thread calls the transport. The bits are single_thread's. Needs that all
/// processes make the same trainers and the same runs: they compare the fingerprints of trainer::run() and resume() before
/// the first op, and a difference is one sentence in each. Tied weights may be in several of them (tied_ends). Without fresh
/// gradients or .pin.
///
/// A run ends in all processes alike: the divergence of the least key is the result of each, and what an op, a callback or a
/// hook throws in one of them comes out of all, as a foal::error with its sentence. A pause is one of all. What one of them
/// throws elsewhere, where the others cannot hear of it, ends all when it leaves main().
template <class Transport>
struct processes_over {
  using role = foal::role::executor;
  static constexpr char const* name = "processes";
  static constexpr bool threaded = true;

  using needs = detail::joins<Transport>;

  static process_place place()
    requires transport::connects<Transport>
  {
    return Transport::place();
  }

  /// All processes call it before they do the same.
  static void agree(report::fingerprint const& mine)
    requires transport::connects<Transport>
  {
    transport::agree<Transport>(mine, "train together");
  }

  /// The texts of all processes, by process. All processes call it.
  static std::vector<std::string> exchange(std::string const& mine)
    requires transport::connects<Transport>
  {
    return Transport().exchange(mine);
  }

  /// Sends bytes to one process and gives those that another has sent here. All processes call it, so that each is sent to
  /// by one.
  static std::string swap(int to, int from, std::string const& bytes)
    requires transport::connects<Transport>
  {
    Transport all;
    if constexpr (requires { all.swap(to, from, bytes); })
      return all.swap(to, from, bytes);
    else
      return std::move(all.exchange(bytes)[static_cast<std::size_t>(from)]);
  }

  static void drive(std::span<worker> workers, service const& run)
    requires transport::connects<Transport>
  {
    require(!run.pins,
            "cannot pin the workers of processes, because who starts these knows which machine each is on; let mpirun bind "
            "them (--bind-to core), and leave .pin out");
    if (place().count == 1) return workers.size() == 1 ? single_thread::drive(workers, run) : threads::drive(workers, run);
    flushed_denormals const flushed;
    Transport all;
    try {
      joined(all, run).drive(workers);
    } catch (std::exception const& e) {
      Transport::end_all(e.what());
    }
  }

 private:
  using channel = typename detail::channel_of<Transport>::type;

  /// A phase of this process among those of the others.
  class joined {
   public:
    joined(Transport& all, service const& run)
        : all_(all),
          run_(run),
          agreed_(run.phase.shared, place(), lets_in(run.phase)),
          guard_(run.phase.guard),
          stalls_(place(), guard_ != nullptr ? guard_->patience() : 0) {
      hosted_phase const& phase = run.phase;
      if (guard_ != nullptr) guard_->join(place(), stalls_.answers_within());
      int first = 0;
      if (phase.evaluations != nullptr) {
        evaluations_.emplace(*phase.evaluations, processes_of_stages(phase.memory, place().number), place(),
                             phase.memory.queues().messages());
        open(evaluations_->open(), 0);
        evaluations_->telling = [this](bool is) { be_away(is); };
        first = evaluations_->channels();
      }
      if (phase.shared.norm.used()) {
        open(norm_channels(phase.memory, phase.shared.norm, place(), phase.shared.minibatches), first);
        first += static_cast<int>(phase.memory.stages().size()) * place().count;
      }
      open(open_sums(phase.memory, *phase.shared.tables, phase.program, phase.shared.minibatches), first);
      if (phase.shared.tables->replicas > 1) first += most_sums(*phase.shared.tables);
      open(open_channels(phase.memory, phase.program, phase.shared.minibatches), first);
    }
    joined(joined const&) = delete;

    void drive(std::span<worker> workers) {
      if (workers.size() == 1)
        drive_here(workers.front());
      else
        drive_team(workers, run_, [this](std::atomic<int> const& running) { return served(running); });
      run_();
      run_.phase.end.add(workers, run_.phase.memory.stages());
      end_together();
    }

   private:
    /// first: number of the first channel of all processes.
    void open(std::vector<open_channel> all, int first) {
      for (open_channel& c : all) {
        c.end.number += first;
        channels_.push_back(std::make_unique<channel>(all_, c.end, c.process));
        ends_.push_back(std::move(c.end));
      }
    }
    static bool lets_in(hosted_phase const& phase) {
      std::vector<bound_stage> const& units = phase.memory.stages();
      return std::any_of(units.begin(), units.end(), [](bound_stage const& b) { return b.worker >= 0 && b.number == 0; });
    }

    void drive_here(worker& w) {
      detail::patience patience;
      for (long long ops = 0; !agreed_.over();) {
        progress const p = w.advance();
        if (p == progress::ran) disturb_after(w, run_.disturb, ++ops);
        turn(p == progress::ran, p == progress::done, patience);
      }
    }
    /// Threads cannot be left alone with what this one throws.
    bool served(std::atomic<int> const& running) {
      try {
        turn(false, running.load() == 0, patience_);
      } catch (std::exception const& e) {
        Transport::end_all(e.what());
      }
      return !agreed_.over();
    }

    /// Messages are brought on at each turn; notes where nothing else is to be done, and now and then.
    void turn(bool moved, bool done, detail::patience& patience) {
      constexpr int often = 64;
      moved = bring_on() || moved;
      if (evaluations_) {
        if (evaluations_->turn()) {
          moved = true;
          run_.phase.shared.where.beat();
        }
        done = done && evaluations_->done();
      }
      run_();
      if (moved && ++turns_ % often != 0 && (guard_ == nullptr || !guard_->calls())) return patience.moved();
      agreed_.look(done, tell());
      while (hear()) moved = true;
      look_for_stalls();
      if (moved)
        patience.moved();
      else
        patience.wait();
    }

    bool bring_on() {
      bool moved = false;
      for (std::size_t i = 0; i < channels_.size(); ++i) {
        if (!channels_[i]->progress()) continue;
        moved = true;
        if (ends_[i].id.kind == transport::channel_kind::norm) run_.phase.shared.ring();  // any worker may wait for it
      }
      return moved;
    }

    auto tell() {
      return [this](int to, transport::note const& n) {
        all_.tell(to, n);
        ++told_;
      };
    }
    bool hear() {
      std::optional<transport::note> const n = all_.heard();
      if (!n) return false;
      ++heard_;
      if (!stall_agreement::is_of(*n))
        agreed_.hear(*n, tell());
      else if (!agreed_.over())
        stalls_.hear(*n, seconds(), guard_ != nullptr ? guard_->still() : 0, tell());
      return true;
    }

    /// Ends all processes where the run stands still.
    void look_for_stalls() {
      if (guard_ == nullptr || agreed_.over()) return;
      guard_->turned();
      if (guard_->still() == 0 && !stalls_.at_work()) return;
      stalls_.look(seconds(), guard_->still(), tell());
      if (stalls_.found()) guard_->found(*stalls_.found());
      if (guard_->ends())
        Transport::end_all(sentence("process ", place().number, " ends all of them, because the run stands still"));
    }
    void be_away(bool is) {
      if (is) away_.emplace(run_.phase.shared.where);
      stalls_.away(is, tell());
      if (!is) away_.reset();
    }
    static double seconds() {
      return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }

    /// How the phase has ended in all, and what they have sent is brought to its end.
    void end_together() {
      told_end mine(run_.phase.end);
      if (place().number != 0) mine.add("notes", told_);
      for (transport::open_end const& e : ends_)
        if (e.sends) mine.add(row_of(e), e.out.through->produced.value.load());
      std::vector<told_end> of_all;
      for (std::string const& text : all_.exchange(mine.text())) of_all.emplace_back(text);
      run_.phase.end = common_end(of_all);
      for (std::size_t i = 0; i < ends_.size(); ++i)
        for (told_end const& one : of_all)
          if (one.find(row_of(ends_[i])) != nullptr) end_at(i, static_cast<std::uint32_t>(one.number(row_of(ends_[i]))));
      long long notes = 0;
      for (std::size_t p = 1; p < of_all.size() && place().number == 0; ++p) notes += of_all[p].number("notes");
      detail::patience patience;
      for (bool going = true; going;) {
        bool moved = false;
        going = heard_ < notes;
        while (heard_ < notes && hear()) moved = true;
        moved = bring_on() || moved;
        for (auto& c : channels_) going = going || !c->done();
        if (moved)
          patience.moved();
        else if (going)
          patience.wait();
      }
      if (run_.phase.end.failure) find_origin();
      if (evaluations_) {
        whereabouts::beside const away(run_.phase.shared.where);  // process 0's callback may take long, and all wait for it
        evaluations_->finish([this](std::string const& text) { return all_.exchange(text).front(); });
      }
      run_.phase.shared.norm.keep(run_.phase.memory.stages());
    }
    void find_origin() {
      divergence::origin const here = origin_of(run_.phase.end, run_.phase.memory, *run_.phase.shared.tables);
      report::fingerprint mine;
      mine.items.emplace_back(std::to_string(here.stage), here.what);
      std::vector<divergence::origin> all;
      for (std::string const& text : all_.exchange(report::packed(mine))) {
        auto const told = report::unpacked(text);
        all.push_back({std::stoi(told.items.at(0).first), told.items.at(0).second});
      }
      run_.phase.end.failure->from = first_of(all);
    }
    /// Behind a failure nothing is read any more, nor of an evaluation that the phase's end has cut off; what is still on
    /// its way has room.
    void end_at(std::size_t i, std::uint32_t messages) {
      transport::open_end& e = ends_[i];
      channels_[i]->end_at(messages);
      using transport::channel_kind;
      bool const evaluates =
          e.id.kind == channel_kind::evaluation || e.id.kind == channel_kind::evaluated || e.id.kind == channel_kind::heard;
      if (e.sends || (run_.phase.end.failed_key == phase_end::none && !evaluates)) return;
      auto const all = static_cast<std::uint32_t>(e.order.count());
      e.in.through->read.value = all;
      e.in.through->released.value = all;
    }
    static std::string row_of(transport::open_end const& e) { return sentence("messages of channel ", e.number); }

    Transport& all_;
    service const& run_;
    agreement agreed_;
    stall_guard* guard_;
    stall_agreement stalls_;
    std::optional<whereabouts::beside> away_;
    std::optional<shared_evaluation> evaluations_;
    std::vector<std::unique_ptr<channel>> channels_;
    std::vector<transport::open_end> ends_;  ///< by channel
    detail::patience patience_;
    int turns_ = 0;
    long long told_ = 0, heard_ = 0;  ///< notes
  };
};

}  // namespace foal::executor
