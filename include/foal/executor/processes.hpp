// One process for some of the ranks, and MPI between them. Needs <mpi.h>.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <foal/executor/drive.hpp>
#include <foal/transport/mpi.hpp>

namespace foal::executor {

/// MPI from here to the end of a program's main(), unless the program has begun it itself. Where an exception leaves it the
/// other processes may be waiting for this one: once main() has said why, all are ended.
class mpi_session {
 public:
  mpi_session(int& argc, char**& argv) : thrown_(std::uncaught_exceptions()) {
    int begun = 0;
    MPI_Initialized(&begun);
    ends_ = begun == 0;
    int given = 0;
    if (ends_) MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given);
  }
  mpi_session(mpi_session const&) = delete;
  mpi_session& operator=(mpi_session const&) = delete;
  ~mpi_session() {
    if (!ends_) return;
    if (std::uncaught_exceptions() > thrown_)
      std::atexit([] { MPI_Abort(MPI_COMM_WORLD, 1); });
    else
      MPI_Finalize();
  }

 private:
  int thrown_;
  bool ends_ = false;
};

/// Ranks are spread over the workers of all processes; each process has memory for the stages of its own alone, and its
/// thread advances its workers and brings messages on, in turn. The bits are single_thread's. Needs that all processes make
/// the same trainers and the same runs, which nothing compares; without evaluations, diagnostics, pauses, a global norm, or
/// weights tied across processes. What one of several throws ends all, with its sentence: what an op, a callback or a hook
/// throws at once, a refusal when it leaves the mpi_session; so does a divergence.
struct processes {
  using role = foal::role::executor;
  static constexpr char const* name = "processes";
  static constexpr bool threaded = true;

  static process_place place() {
    int begun = 0;
    MPI_Initialized(&begun);
    require(begun != 0,
            "cannot find the other processes, because MPI has not been begun; make a foal::executor::mpi_session at "
            "the top of main(), and start the program with mpirun");
    process_place here;
    MPI_Comm_rank(MPI_COMM_WORLD, &here.number);
    MPI_Comm_size(MPI_COMM_WORLD, &here.count);
    return here;
  }

  static void drive(std::span<worker> workers, service const& run) {
    flushed_denormals const flushed;
    bool const alone = place().count == 1;
    own_messages const own;
    channels all;
    try {
      for (open_channel const& c : run.open)
        all.push_back(std::make_unique<transport::mpi_channel>(c.end, c.process, own.comm));
      while (turn(workers, all, alone, run)) {
      }
      run();
    } catch (...) {
      if (alone) throw;
      end_all(text_of(std::current_exception()));
    }
  }

 private:
  using channels = std::vector<std::unique_ptr<transport::mpi_channel>>;

  /// Apart from the messages that the program sends itself.
  struct own_messages {
    MPI_Comm comm = MPI_COMM_NULL;
    own_messages() { MPI_Comm_dup(MPI_COMM_WORLD, &comm); }
    own_messages(own_messages const&) = delete;
    own_messages& operator=(own_messages const&) = delete;
    ~own_messages() { MPI_Comm_free(&comm); }
  };

  /// Gives whether there is more to do.
  static bool turn(std::span<worker> workers, channels& all, bool alone, service const& run) {
    bool going = false, moved = false;
    for (worker& w : workers) {
      progress const p = w.advance();
      moved = moved || p == progress::ran;
      going = going || p != progress::done;
      if (alone) continue;
      if (w.failure()) end_all(w.failure()->text());
      if (w.exception()) end_all(text_of(w.exception()));
      if (w.beside()) end_all(text_of(w.beside()));  // the others do not know of the end that the phase now has
    }
    for (auto& c : all) {
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
  [[noreturn]] static void end_all(std::string const& why) {
    std::fputs((why + "\n").c_str(), stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
  }
};

}  // namespace foal::executor
