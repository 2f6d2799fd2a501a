// The search, the runs and the comparison.
#include "laboratory.hpp"

#include <algorithm>
#include <cmath>

#include <foal/core/error.hpp>

#include "measure.hpp"

namespace delay_lab {

namespace {

constexpr int window = 3;           // points of a curve, each of a fortieth of the run
constexpr int most_extensions = 6;  // of a grid, at either end
constexpr double step_of_grid = 2;
constexpr std::uint64_t searching = 1001;  // the first seed that searches; measured ones begin at 1

std::vector<double> curve_of(outcome const& o) {
  std::vector<double> best(o.loss.size());
  for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::min({o.loss[i], o.average[i], o.tail[i]});
  return smoothed(best, window);
}

class laboratory {
 public:
  laboratory(network const& n, plan const& p, outcomes& known)
      : net_(n), plan_(p), known_(known), updates_(p.updates > 0 ? p.updates : n.usual) {}

  std::vector<judged> judge() {
    std::vector<judged> all;
    for (method const* m : plan_.methods) {
      method const& plain = method_named(m->plain());
      if (std::none_of(all.begin(), all.end(), [&](judged const& j) { return j.how == &plain; }))
        all.push_back({.how = &plain});
    }
    for (profile const& p : plan_.profiles)
      for (method const* m : plan_.methods)
        if (is_possible(net_, *m, p)) all.push_back({.how = m, .profile = p});
    search(all);
    std::vector<setting> runs;
    for (judged const& j : all)
      for (int k = 0; k < plan_.seeds; ++k) runs.push_back(at(j, j.rate, 1 + static_cast<std::uint64_t>(k)));
    run(runs, "runs");
    for (judged& j : all) fill(j);
    for (judged& j : all) compare(j, all);
    return all;
  }

 private:
  setting at(judged const& j, double rate, std::uint64_t seed) const {
    return {.how = j.how, .profile = j.profile, .rate = rate, .seed = seed, .updates = updates_, .enlarged = plan_.enlarged};
  }
  void run(std::vector<setting> const& all, char const* what) {
    run_all(net_, all, plan_.jobs, plan_.results, known_, foal::sentence(net_.name, ", ", what));
  }
  outcome const& known(setting const& s) const { return known_.at(key_of(net_, s)); }

  /// The mean loss over the last half, which asks for speed and for the end; a run that diverged has none.
  double score(judged const& j, double rate) const {
    double sum = 0;
    for (int k = 0; k < plan_.searched; ++k) {
      outcome const& o = known(at(j, rate, searching + static_cast<std::uint64_t>(k)));
      if (o.diverged_at >= 0 || o.loss.empty()) return never;
      auto const c = curve_of(o);
      sum += foal::report::mean(std::span(c).last((c.size() + 1) / 2));
    }
    return sum;
  }

  /// Powers of 2 around what is usual, to both sides for as long as the best of them is at an end.
  void search(std::vector<judged>& all) {
    struct grid {
      int low, high, best = 0;
      bool open = true;
    };
    std::vector<grid> of(all.size(), {-(plan_.rates / 2), -(plan_.rates / 2) + plan_.rates - 1});
    auto const rate = [&](judged const& j, int k) { return j.how->usual_rate() * net_.rate * std::pow(step_of_grid, k); };
    for (int round = 0; round <= most_extensions; ++round) {
      std::vector<setting> runs;
      for (std::size_t i = 0; i < all.size(); ++i)
        for (int k = of[i].low; k <= of[i].high; ++k)
          for (int seed = 0; seed < plan_.searched; ++seed)
            runs.push_back(at(all[i], rate(all[i], k), searching + static_cast<std::uint64_t>(seed)));
      run(runs, "search");
      for (std::size_t i = 0; i < all.size(); ++i) {
        grid& g = of[i];
        double least = never;
        g.best = g.low;
        for (int k = g.low; k <= g.high; ++k)
          if (double const s = score(all[i], rate(all[i], k)); s < least) {
            least = s;
            g.best = k;
          }
        all[i].rate = rate(all[i], g.best);
        if (plan_.rates < 2) continue;
        if (g.best == g.low) --g.low;
        if (g.best == g.high) ++g.high;
      }
    }
  }

  void fill(judged& j) const {
    for (int k = 0; k < plan_.seeds; ++k) {
      outcome const& o = known(at(j, j.rate, 1 + static_cast<std::uint64_t>(k)));
      j.curves.push_back(curve_of(o));
      j.bytes_relative = o.bytes_relative;
      j.max_tau = o.max_tau;
      j.every = o.every;
      j.diverged_at.push_back(o.diverged_at);
    }
  }
  void compare(judged& j, std::vector<judged> const& all) const {
    judged const *own = nullptr, *best = nullptr;
    for (judged const& other : all) {
      if (other.profile.late()) continue;
      if (other.how == &method_named(j.how->plain())) own = &other;
      if (best == nullptr || end_of(other) < end_of(*best)) best = &other;
    }
    for (std::size_t k = 0; k < j.curves.size(); ++k) {
      j.ratios.push_back(ratio_of(j.curves[k], own->curves[k], targets_of(own->curves[k])));
      j.to_best.push_back(ratio_of(j.curves[k], best->curves[k], targets_of(best->curves[k])));
    }
  }
  static double end_of(judged const& j) {
    std::vector<double> last;
    for (std::size_t k = 0; k < j.curves.size(); ++k) last.push_back(std::min(j.final_loss(k), 1e9));
    return foal::report::median(last);
  }

  network const& net_;
  plan const& plan_;
  outcomes& known_;
  int updates_;
};

}  // namespace

bool is_possible(network const& n, method const& m, profile const& p) {
  if (!n.has(m.answer)) return false;
  return !m.needs_1f1b() || (p.schedule == "1f1b" && p.ranks == n.stages && p.microbatches == 1);
}

double judged::final_loss(std::size_t seed) const {
  return diverged_at[seed] >= 0 || curves[seed].empty() ? never : curves[seed].back();
}

std::vector<judged> judge_all(network const& n, plan const& p, outcomes& known) { return laboratory(n, p, known).judge(); }

}  // namespace delay_lab
