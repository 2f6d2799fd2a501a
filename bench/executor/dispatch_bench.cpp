// Dispatch: what the executor spends on one op beyond the op itself. dispatch_bench [--json FILE] [--rounds N]
//
// A net of 64 stages of a nearly empty layer trains on one thread; then the same functions are called in the same order
// with call records made beforehand. The difference, divided by the number of ops, is what dispatch costs.
#include <foal/executor/drive.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/trainer.hpp>
#include <memory>

#include "../support/outcome.hpp"

namespace {

constexpr int stage_number = 64;

/// y = x + w, one number: no work to speak of, but everything that a layer can ask of the executor.
struct shift {
  static constexpr char const* name = "shift";
  static constexpr foal::until input_kept = foal::until::W;
  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"weight", foal::features(1), {}, true}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C&, S const* x, foal::weights<S const> w, S* y, foal::saved<S>) {
    y[0] = x[0] + w[0][0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    dx[0] = dy[0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const* dy, foal::saved<S>, foal::weights<S> dw) {
    dw[0][0] += dy[0];
  }
};

struct net : foal::stages<foal::input<1>, foal::repeat<stage_number, shift>> {};

struct samples {
  void inputs(long long m, float* x, float*) const { x[0] = static_cast<float>(m % 7); }
  void targets(long long, float* t) const { t[0] = 1; }
};

/// The functions of a run called in the program's order, without an executor: records are made once and only read.
class direct {
 public:
  template <class Trainer>
  direct(Trainer const& t, foal::schedule::program_view program)
      : tables_(t.tables()), device_(workspace_), values_(stage_number) {
    foal::optim::sgd const& optimizer = t.values().optim;
    for (auto& v : values_) v = std::make_unique<numbers>();
    for (int s = 0; s < stage_number; ++s) {
      numbers &own = *values_[static_cast<std::size_t>(s)],
              &next = *values_[static_cast<std::size_t>((s + 1) % stage_number)];
      foal::table::layer_call& c = own.call;
      c.device = &device_;
      c.in = c.out = foal::features(1);
      c.samples = 1;
      c.x = c.saved_x = &own.x;
      c.y = s + 1 < stage_number ? &next.x : &own.y;
      c.w[0] = &own.w;
      c.dw[0] = &own.dw;
      c.dy = &own.dy;
      c.dx = s > 0 ? &values_[static_cast<std::size_t>(s - 1)]->dy : nullptr;
      foal::table::update_call& u = own.update;
      u.device = &device_;
      u.optimizer = &optimizer;
      u.delay = tables_.delay_value;
      u.n = 1;
      u.w = &own.w;
      u.g = &own.dw;
    }
    for (int r = 0; r < program.size.ranks; ++r)
      for (foal::schedule::op const& o : program.rank(r)) ops_.push_back(o);
    std::stable_sort(ops_.begin(), ops_.end(), [](auto const& a, auto const& b) { return a.slot < b.slot; });
    loss_.device = &device_;
    loss_.loss = tables_.loss_value;
    loss_.in = foal::features(1);
    loss_.samples = 1;
    loss_.targets = &target_;
    loss_.x = &values_.back()->y;
    loss_.dx = &values_.back()->dy;
  }

  /// One period of the program.
  void period() {
    using foal::schedule::op_kind;
    for (foal::schedule::op const& o : ops_) {
      numbers& v = *values_[static_cast<std::size_t>(o.stage)];
      foal::table::layer_functions const& f = tables_.stages[static_cast<std::size_t>(o.stage)].layers[0].call;
      if (o.kind == op_kind::F) {
        f.forward(v.call);
        if (o.stage + 1 == stage_number) sum_ += tables_.loss.apply(loss_).sum;
      } else if (o.kind == op_kind::U) {
        if (tables_.device.all_finite(&device_, 1, v.update.g)) tables_.policies.optimizer[0].update(v.update);
      } else {
        f.backward_weight(v.call);
        if (o.stage > 0) f.backward_input(v.call);
      }
    }
  }
  std::size_t ops() const { return ops_.size(); }

 private:
  struct alignas(64) numbers {
    foal::table::layer_call call;
    foal::table::update_call update;
    alignas(64) float x = 0;
    alignas(64) float y = 0;
    alignas(64) float w = 0;
    alignas(64) float dw = 0;
    alignas(64) float dy = 0;
  };
  foal::table::run_tables const& tables_;
  alignas(64) std::byte workspace_[foal::device::host::workspace_bytes];
  foal::device::host device_;
  std::vector<std::unique_ptr<numbers>> values_;
  std::vector<foal::schedule::op> ops_;
  foal::table::loss_call loss_;
  float target_ = 1;
  double sum_ = 0;
};

template <class Schedule>
void measure(bench::outcome& out, int rounds, int microbatches) {
  using run = foal::trainer<net, foal::loss::mean_squared_error, Schedule, foal::executor::single_thread>;
  run t({.microbatch_size = 1, .microbatches = microbatches, .lr = {.rate = 0.0}, .evaluation = false});
  foal::schedule::program program =
      foal::schedule::generate(Schedule{}, foal::schedule::extent{stage_number, stage_number, microbatches});
  auto const bare = std::make_unique<direct>(t, program.view());
  samples const data;
  long long const minibatches = 16000 / (microbatches + 1);
  double const ops = static_cast<double>(minibatches) * static_cast<double>(bare->ops());
  auto const times = bench::take_turns(
      rounds,
      [&] {
        foal::executor::run_request request;
        request.minibatches = minibatches;
        return bench::seconds_of([&] { t.run(data, request); }) / ops * 1e9;
      },
      [&] {
        return bench::seconds_of([&] {
                 for (long long k = 0; k < minibatches; ++k) bare->period();
               }) /
               ops * 1e9;
      });
  std::string const name = std::string(Schedule::name) + ", N = " + std::to_string(microbatches) + ": ";
  out.add(name + "an op by the executor", bench::spread_of(times[0]), "ns");
  out.add(name + "its functions alone", bench::spread_of(times[1]), "ns");
  out.at_most(name + "dispatch", bench::difference_of(times[0], times[1]), "ns", 50);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 15);
    bench::outcome out("dispatch_bench", options);
    foal::executor::pin_to_cpu(0);
    measure<foal::schedule::one_f_one_b>(out, options.rounds, 1);
    measure<foal::schedule::one_f_one_b>(out, options.rounds, 8);
    measure<foal::schedule::async_1f1b>(out, options.rounds, 8);
    return out.finish();
  });
}
