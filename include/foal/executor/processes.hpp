// One process for some of the ranks, and a transport between them.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <foal/executor/drive.hpp>
#include <foal/executor/open_ends.hpp>
#include <foal/executor/shared_evaluation.hpp>
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
      "foal: cannot join processes over this transport, because it lacks place(), exchange(text), end_all(text), a "
      "channel of (transport&, open_end, int) with progress() and done(), or a constructor without arguments; "
      "give it all of foal/transport/contract.hpp");
};

}  // namespace detail

/// Ranks are spread over the workers of all processes; each process has memory for the stages of its own alone, and its
/// thread advances its workers and brings messages on, in turn. The bits are single_thread's. Needs that all processes make
/// the same trainers and the same runs: they compare the fingerprints of trainer::run() and resume() before the first op,
/// and a difference is one sentence in each. Without fresh gradients, pauses, .pin, a global norm, or weights tied
/// across processes. What one of several throws ends all, with its sentence: what an op, a callback or a hook throws at
/// once, a refusal when it leaves main(); so does a divergence.
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

  static void drive(std::span<worker> workers, service const& run)
    requires transport::connects<Transport>
  {
    require(!run.pins,
            "cannot pin the workers of processes, because who starts these knows which machine each is on; let mpirun bind "
            "them (--bind-to core), and leave .pin out");
    flushed_denormals const flushed;
    bool const alone = place().count == 1;
    Transport all;
    channels open;
    std::vector<long long> ops(workers.size());
    try {
      std::unique_ptr<shared_evaluation> const evaluations = evaluations_of(run.phase);
      if (evaluations)
        for (open_channel& c : evaluations->open())
          open.push_back(std::make_unique<channel>(all, std::move(c.end), c.process));
      for (open_channel& c : open_channels(run.phase.memory, run.phase.program, run.phase.minibatches)) {
        c.end.number += evaluations ? evaluations->channels() : 0;
        open.push_back(std::make_unique<channel>(all, std::move(c.end), c.process));
      }
      while (turn(workers, ops, open, evaluations.get(), alone, run)) {
      }
      run();
    } catch (...) {
      if (alone) throw;
      Transport::end_all(text_of(std::current_exception()));
    }
  }

 private:
  using channel = typename detail::channel_of<Transport>::type;
  using channels = std::vector<std::unique_ptr<channel>>;

  /// Null: there are none, or no other processes.
  static std::unique_ptr<shared_evaluation> evaluations_of(hosted_phase const& phase) {
    if (phase.evaluations == nullptr || phase.memory.whole()) return nullptr;
    return std::make_unique<shared_evaluation>(*phase.evaluations, processes_of_stages(phase.memory, place().number),
                                               place());
  }

  /// Gives whether there is more to do.
  static bool turn(std::span<worker> workers, std::vector<long long>& ops, channels& open, shared_evaluation* evaluations,
                   bool alone, service const& run) {
    bool going = evaluations != nullptr && !evaluations->done(), moved = evaluations != nullptr && evaluations->turn();
    for (std::size_t i = 0; i < workers.size(); ++i) {
      worker& w = workers[i];
      progress const p = w.advance();
      if (p == progress::ran) disturb_after(w, run.disturb, ++ops[i]);
      moved = moved || p == progress::ran;
      going = going || p != progress::done;
      if (alone) continue;
      if (w.failure()) Transport::end_all(w.failure()->text());
      if (w.exception()) Transport::end_all(text_of(w.exception()));
      if (w.beside()) Transport::end_all(text_of(w.beside()));  // the others do not know of the end that the phase now has
    }
    for (auto& c : open) {
      moved = c->progress() || moved;
      going = going || !c->done();
    }
    run();
    if (!moved) std::this_thread::yield();
    return going;
  }

  static std::string text_of(std::exception_ptr const& thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (std::exception const& e) {
      return e.what();
    } catch (...) {
      return "something that is no std::exception has been thrown";
    }
  }
};

}  // namespace foal::executor
