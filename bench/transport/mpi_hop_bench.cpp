// A hop from one process to another and back: foal's channels over MPI against bare messages of the same size.
// mpirun -n 2 mpi_hop_bench [--json FILE] [--rounds N]
//
// Both sides take turns in one run, and have as many places for messages. The bare one is MPI_Send and MPI_Recv. foal's side
// does what executor::processes_over does with a worker that waits: it writes into the slot of an outbox, moves its
// channels, hears notes, and looks whether the message is in the inbox, whose slot it gives back. A message is one entry, as
// most wires have. The time is that of the fastest of a few stretches: one in which a process was not running says nothing
// about a hop.
#include <foal/executor/processes.hpp>
#include <foal/transport/mpi.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

#include "../support/outcome.hpp"

namespace {

using namespace foal;

constexpr std::uint32_t slots = 2;

int other(int number) { return 1 - number; }

/// One direction, at one of its ends.
class line {
 public:
  line(transport::mpi& all, int from, int here, std::size_t bytes, std::uint32_t hops)
      : memory_(slots * bytes), bytes_(bytes), channel_(all, end(from, here, hops), other(here)) {}

  bool progress() { return channel_.progress(); }
  void send(std::uint32_t m) {
    while (!room_.room(m)) progress();
    std::memcpy(slot(m), &m, sizeof m);
    room_.send(m + 1);
  }
  bool arrived(std::uint32_t m) { return there_.arrived(m); }
  void take(std::uint32_t m) {
    std::uint32_t what = 0;
    std::memcpy(&what, slot(m), sizeof what);
    require(what == m, "cannot measure, because a channel lost a message");
    there_.read(m + 1);
  }

 private:
  std::byte* slot(std::uint32_t m) { return memory_.data() + m % slots * bytes_; }
  transport::open_end end(int from, int here, std::uint32_t hops) {
    return {.id = {1, 0, transport::channel_kind::activation},
            .number = from,
            .sends = from == here,
            .out = {&counts_, &nobody_, true, false},
            .in = {&counts_, &nobody_, slots, 0},
            .entries = {{memory_.data(), bytes_, bytes_, slots}},
            .order = {{0}, 1, hops}};
  }

  transport::channel counts_;
  transport::bell nobody_;
  transport::outbox room_{&counts_, &nobody_, slots, 0};
  transport::inbox there_{&counts_, &nobody_, true, false};
  std::vector<std::byte> memory_;
  std::size_t bytes_;
  transport::mpi::channel channel_;
};

/// Microseconds of a hop, of which there and back are two.
template <class There, class Back>
double hop(int number, std::uint32_t stretch, There there, Back back) {
  constexpr std::uint32_t stretches = 10;
  double best = 1e300;
  MPI_Barrier(MPI_COMM_WORLD);
  for (std::uint32_t m = 0; m < stretches * stretch;) {
    double const begin = bench::now_seconds();
    for (std::uint32_t const end = m + stretch; m < end; ++m) number == 0 ? there(m) : back(m);
    best = std::min(best, (bench::now_seconds() - begin) / (2 * stretch) * 1e6);
  }
  return best;
}

double bare(int number, std::size_t bytes, std::uint32_t stretch) {
  std::vector<std::byte> out(slots * bytes), in(slots * bytes);  // as many places as channels have
  int const size = static_cast<int>(bytes);
  auto const send = [&](std::uint32_t m) {
    std::byte* const from = out.data() + m % slots * bytes;
    std::memcpy(from, &m, sizeof m);
    MPI_Send(from, size, MPI_BYTE, other(number), 0, MPI_COMM_WORLD);
  };
  auto const receive = [&](std::uint32_t m) {
    std::byte* const to = in.data() + m % slots * bytes;
    MPI_Recv(to, size, MPI_BYTE, other(number), 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    std::uint32_t what = 0;
    std::memcpy(&what, to, sizeof what);
    require(what == m, "cannot measure, because a message was lost");
  };
  return hop(
      number, stretch, [&](std::uint32_t m) { send(m), receive(m); }, [&](std::uint32_t m) { receive(m), send(m); });
}

double channels(int number, std::size_t bytes, std::uint32_t stretch) {
  transport::mpi all;
  std::uint32_t const hops = 10 * stretch;
  line there(all, 0, number, bytes, hops), back(all, 1, number, bytes, hops);
  auto const receive = [&](line& from, std::uint32_t m) {
    executor::detail::patience patience;
    while (!from.arrived(m)) {
      bool const moved = there.progress();
      if (back.progress() || moved)
        patience.moved();
      else if (!all.heard())
        patience.wait();
    }
    from.take(m);
  };
  double const time = hop(
      number, stretch, [&](std::uint32_t m) { there.send(m), there.progress(), receive(back, m); },
      [&](std::uint32_t m) { receive(there, m), back.send(m), back.progress(); });
  MPI_Barrier(MPI_COMM_WORLD);
  return time;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    flushed_denormals const flushed;
    transport::mpi_session const session(argc, argv);
    transport::process_place const here = transport::mpi::place();
    require(here.count == 2, "cannot measure a hop between ", here.count, " processes; start two: mpirun -n 2");
    if (here.number != 0) require(std::freopen("/dev/null", "w", stdout) != nullptr, "cannot be quiet");
    bench::options const options(argc, argv, 21);
    bench::outcome out("mpi_hop_bench", options);
    for (std::size_t const bytes : {64U, 1024U, 4096U, 16384U, 65536U, 262144U, 1048576U}) {
      auto const stretch = static_cast<std::uint32_t>(std::clamp<std::size_t>((4U << 20) / bytes, 10, 200));
      auto const times = bench::take_turns(
          options.rounds, [&] { return channels(here.number, bytes, stretch); },
          [&] { return bare(here.number, bytes, stretch); });
      std::string const size = sentence(bytes, " bytes");
      out.add("channels, " + size, bench::spread_of(times[0]), "us/hop");
      out.add("bare messages, " + size, bench::spread_of(times[1]), "us/hop");
      out.at_most("channels / bare messages, " + size, bench::ratio_of(times[0], times[1]), "", 1.3);
    }
    return here.number == 0 ? out.finish() : 0;
  });
}
