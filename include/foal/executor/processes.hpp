// One process for some of the ranks, and MPI between them. Needs <mpi.h>.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <foal/executor/drive.hpp>
#include <foal/transport/mpi.hpp>

namespace foal::executor {

/// MPI from here to the end of a program's main(), unless the program has begun it itself.
class mpi_session {
 public:
  mpi_session(int& argc, char**& argv) {
    int begun = 0;
    MPI_Initialized(&begun);
    ends_ = begun == 0;
    int given = 0;
    if (ends_) MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given);
  }
  mpi_session(mpi_session const&) = delete;
  mpi_session& operator=(mpi_session const&) = delete;
  ~mpi_session() {
    if (ends_) MPI_Finalize();
  }

 private:
  bool ends_ = false;
};

/// Ranks are spread over the workers of all processes; each process has memory for the stages of its own alone, and its
/// thread advances its workers and brings messages on, in turn. The bits are single_thread's. Needs that all processes make
/// the same trainers and the same runs, which nothing compares; without evaluations, diagnostics, pauses, a global norm, or
/// weights tied across processes. What an op throws in one process ends all; after what is thrown elsewhere (a constructor,
/// a callback) the others wait for messages.
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
    std::vector<std::unique_ptr<transport::mpi_channel>> channels;
    for (open_channel const& c : run.open)
      channels.push_back(std::make_unique<transport::mpi_channel>(c.end, c.process, MPI_COMM_WORLD));
    for (bool going = true; going;) {
      going = false;
      bool moved = false;
      for (worker& w : workers) {
        progress const p = w.advance();
        moved = moved || p == progress::ran;
        going = going || p != progress::done;
        if (w.exception() || w.failure()) end_all(w);
      }
      for (auto& c : channels) {
        moved = c->progress() || moved;
        going = going || !c->done();
      }
      run();
      if (!moved) std::this_thread::yield();
    }
    run();
  }

 private:
  [[noreturn]] static void end_all(worker const& w) {
    std::string why = w.failure() ? w.failure()->text() : "an op has thrown";
    if (w.exception()) try {
        std::rethrow_exception(w.exception());
      } catch (std::exception const& e) {
        why = e.what();
      } catch (...) {
      }
    std::fputs((why + "\n").c_str(), stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
  }
};

}  // namespace foal::executor
