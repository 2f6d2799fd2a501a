// Messages between processes over MPI: what lies in an outbox here comes to the inbox there. Needs <mpi.h>.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/transport/agree.hpp>
#include <foal/transport/launcher.hpp>
#include <foal/transport/message_end.hpp>

namespace foal::transport {

class mpi_session;

/// The processes of MPI_COMM_WORLD, apart from the messages that a program sends itself. MPI has to be begun: mpi_session.
class mpi {
 public:
  using session = mpi_session;

  mpi() {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm_);
    MPI_Comm_dup(MPI_COMM_WORLD, &notes_);
    sent_.fill({{}, MPI_REQUEST_NULL});
  }
  mpi(mpi const&) = delete;
  mpi& operator=(mpi const&) = delete;
  ~mpi() {
    for (sent_note& s : sent_) MPI_Wait(&s.request, MPI_STATUS_IGNORE);
    for (MPI_Request& r : hears_) give_up(r);
    MPI_Comm_free(&notes_);
    MPI_Comm_free(&comm_);
  }

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

  std::vector<std::string> exchange(std::string const& mine) {
    int const size = static_cast<int>(mine.size());
    std::vector<int> sizes(static_cast<std::size_t>(place().count)), begin;
    MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, comm_);
    int total = 0;
    for (int const n : sizes) {
      begin.push_back(total);
      total += n;
    }
    std::string joined(static_cast<std::size_t>(total), ' ');
    MPI_Allgatherv(mine.data(), size, MPI_CHAR, joined.data(), sizes.data(), begin.data(), MPI_CHAR, comm_);
    std::vector<std::string> all;
    for (std::size_t p = 0; p < sizes.size(); ++p)
      all.push_back(joined.substr(static_cast<std::size_t>(begin[p]), static_cast<std::size_t>(sizes[p])));
    return all;
  }

  std::string swap(int to, int from, std::string const& bytes) {
    std::uint64_t const mine = bytes.size();
    std::uint64_t theirs = 0;
    MPI_Sendrecv(&mine, 1, MPI_UINT64_T, to, 0, &theirs, 1, MPI_UINT64_T, from, 0, comm_, MPI_STATUS_IGNORE);
    std::string come(theirs, ' ');
    constexpr std::uint64_t most = 1U << 28U;  // of a message: MPI counts in int
    std::vector<MPI_Request> all;
    auto const pieces = [&](std::uint64_t size, auto begin) {
      for (std::uint64_t at = 0; at < size; at += most)
        begin(at, static_cast<int>(std::min(most, size - at)), &all.emplace_back());
    };
    pieces(theirs,
           [&](std::uint64_t at, int n, MPI_Request* r) { MPI_Irecv(come.data() + at, n, MPI_BYTE, from, 1, comm_, r); });
    pieces(mine,
           [&](std::uint64_t at, int n, MPI_Request* r) { MPI_Isend(bytes.data() + at, n, MPI_BYTE, to, 1, comm_, r); });
    MPI_Waitall(static_cast<int>(all.size()), all.data(), MPI_STATUSES_IGNORE);
    return come;
  }

  void tell(int process, note const& n) {
    sent_note& s = sent_[next_++ % sent_.size()];
    MPI_Wait(&s.request, MPI_STATUS_IGNORE);  // the one eight before: it has gone, and if not, it is received anyway
    s.what = n;
    MPI_Isend(&s.what, sizeof(note), MPI_BYTE, process, 0, notes_, &s.request);
  }
  std::optional<note> heard() {
    if (hears_.empty()) listen();
    int flag = 0, which = MPI_UNDEFINED;
    MPI_Testany(static_cast<int>(hears_.size()), hears_.data(), &which, &flag, MPI_STATUS_IGNORE);
    if (flag == 0 || which == MPI_UNDEFINED) return {};
    auto const i = static_cast<std::size_t>(which);
    note const n = come_[i];
    MPI_Start(&hears_[i]);
    return n;
  }

  [[noreturn]] static void end_all(std::string const& why) {
    std::fputs((why + "\n").c_str(), stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
  }

  /// One channel's messages, from or to one process: persistent requests, of which one message is on its way, so that
  /// nothing is allocated after the first one and no process has more than one message of a channel to expect. A message of
  /// one piece goes from slot to slot, one of several through a room of their size.
  class channel {
   public:
    /// peer: the process of the other end.
    channel(mpi& all, open_end end, int peer)
        : end_(std::move(end)),
          direct_(end_.single() != nullptr && end_.single()->count <= most_requests),
          message_(direct_ ? 0 : end_.bytes()) {
      constexpr std::size_t most = 0x7fffffff;
      int const size = static_cast<int>(end_.bytes());
      require(end_.bytes() <= most, "cannot send messages of ", end_.bytes(), " bytes over wire ", end_.id().wire,
              ", because MPI counts to ", most, "; use smaller microbatches");
      requests_.resize(direct_ ? end_.single()->count : 1, MPI_REQUEST_NULL);
      for (std::uint32_t i = 0; i < requests_.size(); ++i) {
        std::byte* const place = direct_ ? end_.single()->at(i) : message_.data();
        if (end_.sends())
          MPI_Send_init(place, size, MPI_BYTE, peer, end_.number(), all.comm_, &requests_[i]);
        else
          MPI_Recv_init(place, size, MPI_BYTE, peer, end_.number(), all.comm_, &requests_[i]);
      }
    }
    channel(channel const&) = delete;
    channel& operator=(channel const&) = delete;
    ~channel() {
      for (MPI_Request& r : requests_)
        if (active_ && !end_.sends() && &r == &request())
          give_up(r);  // for a message that the phase no longer had
        else
          MPI_Request_free(&r);
    }

    bool progress() {
      if (active_ && !arrived()) return false;
      bool const moved = std::exchange(active_, false);
      if (moved && (direct_ || !end_.sends())) pass();
      if (!end_.ready()) return moved;
      if (end_.sends() && !direct_) pass();
      MPI_Start(&request());
      active_ = true;
      return moved || end_.sends();
    }
    bool done() const { return end_.done() && !(active_ && end_.sends()); }
    void end_at(std::uint32_t n) { end_.end_at(n); }

   private:
    bool arrived() {
      int flag = 0;
      if (end_.sends() || !end_.done()) MPI_Test(&request(), &flag, MPI_STATUS_IGNORE);
      return flag != 0;
    }
    void pass() {
      if (direct_)
        end_.passed();
      else
        end_.pass(message_.data());
    }
    /// Of the message on its way, or of the next one.
    MPI_Request& request() { return requests_[direct_ ? end_.microbatch() % requests_.size() : 0]; }

    static constexpr std::uint32_t most_requests = 256;

    message_end end_;
    bool direct_;  ///< from slot to slot
    std::vector<std::byte> message_;
    std::vector<MPI_Request> requests_;  ///< by slot
    bool active_ = false;                ///< a message is on its way, or waited for
  };

 private:
  struct sent_note {
    note what{};
    MPI_Request request;
  };

  /// Process 0 hears all others, and these hear process 0.
  void listen() {
    process_place const here = place();
    std::size_t const count = here.number == 0 ? static_cast<std::size_t>(here.count) - 1 : 1;
    come_.resize(count);
    hears_.resize(count, MPI_REQUEST_NULL);
    for (std::size_t i = 0; i < count; ++i) {
      int const from = here.number == 0 ? static_cast<int>(i) + 1 : 0;
      MPI_Recv_init(&come_[i], sizeof(note), MPI_BYTE, from, 0, notes_, &hears_[i]);
      MPI_Start(&hears_[i]);
    }
  }
  /// A request that waits for what nobody sends.
  static void give_up(MPI_Request& r) {
    MPI_Cancel(&r);
    MPI_Wait(&r, MPI_STATUS_IGNORE);
    MPI_Request_free(&r);
  }

  MPI_Comm comm_ = MPI_COMM_NULL, notes_ = MPI_COMM_NULL;
  std::array<sent_note, 8> sent_;
  std::size_t next_ = 0;
  std::vector<note> come_;  ///< by process that is heard
  std::vector<MPI_Request> hears_;
};
static_assert(moves<mpi::channel> && connects<mpi>);

/// MPI from here to the end of a program's main(), unless the program has begun it itself. Where an exception leaves it the
/// other processes may be waiting for this one: once main() has said why, all are ended. So they are where one comes to its
/// end while others begin a run. Throws foal::error where MPI counts other processes than a launcher's variables say.
class mpi_session {
 public:
  mpi_session(int& argc, char**& argv) : thrown_(std::uncaught_exceptions()) {
    int begun = 0;
    MPI_Initialized(&begun);
    ends_ = begun == 0;
    int given = 0;
    if (ends_) MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given);
    require_place(mpi::place(), launched_, library());
  }
  mpi_session(mpi_session const&) = delete;
  mpi_session& operator=(mpi_session const&) = delete;
  ~mpi_session() {
    if (!ends_) return;
    if (std::uncaught_exceptions() > thrown_) {
      std::atexit([] { MPI_Abort(MPI_COMM_WORLD, 1); });
      return;
    }
    try {
      agree<mpi>({.items = {{"what comes next", "the end of MPI"}}}, "end");
    } catch (std::exception const& others_go_on) {
      mpi::end_all(others_go_on.what());
    }
    MPI_Finalize();
  }

  /// Whose word it was that there are so many processes; nothing where the program was started by hand.
  std::optional<transport::launched> const& launched() const { return launched_; }

 private:
  /// "Open MPI v4.1.4", "MPICH Version: 4.0.2": the first words of what the library says of itself.
  static std::string library() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int size = 0;
    MPI_Get_library_version(text, &size);
    std::string all(text, static_cast<std::size_t>(size));
    all.resize(std::min(all.size(), all.find_first_of(",\n")));
    std::replace(all.begin(), all.end(), '\t', ' ');
    return all;
  }

  int thrown_;
  bool ends_ = false;
  std::optional<transport::launched> launched_ = launched_by();
};

}  // namespace foal::transport
