// Schedules from anywhere: text is read or refused, any list of ops gets a verdict, and what is proved can be analysed,
// replayed and drawn.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/parse.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/synchronous_phase.hpp>

namespace {

using namespace foal::schedule;

/// Inputs are kept to what is quick; the sizes that must be refused are seeds of their own.
constexpr std::size_t most_ops = 256;
constexpr int most_drawn = 2000;

/// Bytes as numbers: small ones mostly, now and then those at the ends of a range.
class reader {
 public:
  reader(std::uint8_t const* data, std::size_t size) : data_(data), size_(size) {}

  bool empty() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  int number() {
    std::uint8_t const b = byte();
    if (b < 200) return static_cast<int>(b) - 100;
    if (b < 230) {
      std::uint32_t bits = 0;
      for (int i = 0; i < 4; ++i) bits = bits << 8U | byte();
      int value = 0;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
    constexpr int telling[] = {-2147483647 - 1, -2147483647, 2147483647, 2147483646, 1 << 28, (1 << 28) - 1,
                               -(1 << 28),      65536,       -65536,     -65537,     1 << 20, -1};
    return telling[b % (sizeof telling / sizeof *telling)];
  }
  std::string_view rest() const { return {reinterpret_cast<char const*>(data_), size_}; }

 private:
  std::uint8_t const* data_;
  std::size_t size_;
};

void expect(bool holds) {
  if (!holds) std::abort();
}

/// All that takes a program, on one that may be anything.
void use(program_view v) {
  verdict const found = prove(v);
  std::string const said = text(found);
  expect(!said.empty() && (found || said.starts_with("cannot ")));
  expect(prove(v) == found);
  bool const quick = [&] {
    if (!well_formed(v)) return true;
    long long late = 0;
    for (op const& o : v.ops)
      if (o.slot > 100 * most_drawn) return false;
    for (op const& o : v.ops) late = std::max(late, -static_cast<long long>(floor_div(o.microbatch, v.size.microbatches)));
    long long const work = (late + 3) * static_cast<long long>(v.ops.size() + 1);
    return work < most_drawn && v.period < most_drawn && v.size.ranks < most_drawn && v.size.stages < most_drawn;
  }();
  if (!quick) return;
  auto const refused = [&](auto f) {
    try {
      f();
      return false;
    } catch (foal::error const&) {
      return true;
    }
  };
  refused([&] { svg(v, 1, said); });
  refused([&] { lists(v, 2); });
  refused([&] { grid(v, 1); });
  expect(refused([&] { analyse(v); }) == !found);
  expect(refused([&] { analyse(v, true); }) == !found);
  expect(refused([&] { versions(v); }) == !found);
  expect(refused([&] { replay(v, {}, 2); }) == !found);
  // Sums of several stages between two ranks, which share a FIFO there, need not come in one order.
  if (!found || v.size.replicas == 1)
    expect(static_cast<bool>(run_bounded(v, -1, shared_fifo::kind)) == static_cast<bool>(found));
  if (!found) return;
  timing const t = replay(v, {}, 2);
  std::size_t events = 0, expected = 0;
  for (auto const& rank : t.events) events += rank.size();
  for (auto const& rank : unroll(v, 2)) expected += rank.size();
  expect(events == expected);  // a proved program runs to its end
  for (rank_memory const& m : saved_over_time(v, t)) expect(m.curve.empty() || m.curve.back().second == 0);
  std::string csv;
  if (!refused([&] { csv = to_csv(v); })) {
    program again = from_csv(csv);
    expect(static_cast<bool>(prove(again.view())) || v.inference || !v.wants.empty());
  }
  steady_utilisation(v);
  if (v.inference || v.size.replicas > 1 || v.size.segments > 1) return;
  program phase = synchronous_phase(v);
  expect(static_cast<bool>(prove(phase.view())));
}

void read_text(reader in) {
  int const stages = in.byte() % 8, microbatches = in.byte() % 6;
  bool const asynchronous = in.byte() % 2 != 0;
  std::string_view const lists = in.rest();
  if (lists.size() > 4 * most_ops) return;
  program p = parse(lists, stages, microbatches, asynchronous);
  use(p.view());
}

void read_cells(reader in) {
  if (in.rest().size() > 4 * most_ops) return;
  program p = from_csv(in.rest());
  use(p.view());
}

/// A view with every number free.
void read_view(reader in) {
  program_view v;
  v.size = {in.number(), in.number(), in.number()};
  v.period = in.number();
  std::uint8_t const flags = in.byte();
  v.asynchronous = (flags & 1U) != 0;
  v.inference = (flags & 2U) != 0;
  if ((flags & 32U) != 0) v.size.replicas = in.number();
  if ((flags & 64U) != 0) v.size.segments = in.number();
  v.global_norm = (flags & 128U) != 0;
  std::vector<op> ops;
  std::vector<int> begin, delays, recompute;
  std::vector<gradients> wants;
  auto const numbers = [&](std::vector<int>& to) {
    for (std::size_t n = in.byte() % 16; n > 0; --n) to.push_back(in.number());
  };
  numbers(begin);
  if ((flags & 4U) != 0) numbers(delays);
  if ((flags & 8U) != 0) numbers(recompute);
  if ((flags & 16U) != 0)
    for (std::size_t n = in.byte() % 16; n > 0; --n) wants.push_back(static_cast<gradients>(in.byte()));
  while (!in.empty() && ops.size() < most_ops) {
    op o;
    std::uint8_t const b = in.byte();
    o.kind = static_cast<op_kind>(b < 240 ? b % 6 : b);
    o.stage = in.number();
    o.microbatch = in.number();
    o.slot = in.number();
    if ((b & 8U) != 0) o.lane = in.number();
    if (b > 250) o.replica = in.number(), o.segment = in.number();
    ops.push_back(o);
  }
  v.ops = ops;
  v.begin = begin;
  v.delays = delays;
  v.recompute = recompute;
  v.wants = wants;
  use(v);
}

/// A program that can run, with a few of its numbers changed.
void read_changes(reader in) {
  extent e{.stages = 1 + in.byte() % 5, .ranks = 1, .microbatches = 1 + in.byte() % 4};
  e.ranks = 1 + in.byte() % e.stages;
  std::uint8_t const kind = in.byte();
  program p = kind % 2 == 0 ? generate(one_f_one_b{}, e) : program(e, e.microbatches, true);
  if (kind % 2 != 0)
    for (int r = 0; r < e.ranks; ++r)  // pipemare's slots
      for (int t = 0; t < e.microbatches; ++t) {
        emit_forward(e, r, t - r, p, t, 0);
        emit_backward(e, r, t - (2 * e.ranks - 1 - r), p, t, first_stage(e, r + 1) - first_stage(e, r));
      }
  if (kind & 4U) p = with_recomputation(std::move(p), recompute_group_heads(e.stages, in.byte() % 3));
  if (kind & 8U) p = without_backward_below(std::move(p), in.byte() % e.stages, {in.byte() % e.stages});
  if (kind & 16U) p.delays(std::vector<int>(static_cast<std::size_t>(e.stages), in.number()));
  expect(static_cast<bool>(prove(p.view())) || (kind & 16U) != 0);
  while (!in.empty()) {
    auto& list = p.list(in.byte() % e.ranks);
    if (list.empty()) continue;
    std::size_t const at = in.byte() % list.size();
    op& o = list[at];
    switch (in.byte() % 9) {
      case 0:
        o.stage += in.number() % 3;
        break;
      case 1:
        o.microbatch = in.number();
        break;
      case 2:
        o.slot = in.number();
        break;
      case 3:
        o.lane = in.number();
        break;
      case 4:
        o.kind = static_cast<op_kind>(in.byte() % 6);
        break;
      case 5:
        std::swap(o, list[in.byte() % list.size()]);
        break;
      case 6:
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 7:
        list.push_back(list[at]);
        break;
      default:
        p.period(in.number());
        break;
    }
  }
  use(p.view());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  reader const in(data + 1, size - 1);
  try {
    if (data[0] == 255) {
      read_cells(in);
      return 0;
    }
    if (data[0] % 3 == 0) read_view(in);
    if (data[0] % 3 == 1) read_text(in);
    if (data[0] % 3 == 2) read_changes(in);
  } catch (foal::error const&) {
  }
  return 0;
}
