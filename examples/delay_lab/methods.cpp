// The laboratory's methods.
#include "method.hpp"

#include <cstdlib>
#include <map>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/report/number.hpp>

namespace delay_lab {

namespace {

namespace optim = foal::optim;

constexpr double beta2 = 0.99;  // runs are short: 0.999 would remember all of one

any_optimizer one(any_optimizer::one_of o) { return {std::move(o)}; }

/// Momentum by the delay, 1 - 1 / max(20, tau), so that without delay it is Muon's own 0.95; Adam's and SGD's from 0.9.
template <class O>
optim::delay_matched<O> match(O o, double least) {
  return {.base = o, .least = least};
}

}  // namespace

std::vector<method> const& methods() {
  using enum answer;
  static std::vector<method> const all{
      {"momentum", "momentum 0.9, nothing against delay"},
      {.name = "pipedream", .what = "momentum, weights stashed", .stash = true},
      {.name = "t1", .what = "momentum, T1", .by = rate_by::t1},
      {.name = "t2", .what = "momentum, T2", .answer = t2},
      {.name = "t1t2", .what = "momentum, T1 and T2 (PipeMare)", .answer = t2, .by = rate_by::t1},
      {.name = "t1t2-averaged", .what = "momentum, T1, and T2 from an average", .answer = averaged_t2, .by = rate_by::t1},
      {.name = "by-delay", .what = "momentum, rates divided by the delay", .by = rate_by::delay},
      {.name = "velocity", .what = "momentum, F predicted by the velocity", .answer = velocity},
      {.name = "difference", .what = "momentum, F predicted by the last change", .answer = difference},
      {.name = "scheduled", .what = "momentum, F predicted by the schedule of rates", .answer = scheduled},
      {.name = "spectrain", .what = "momentum, SpecTrain", .answer = spectrain},
      {.name = "dc-asgd", .what = "momentum, gradients brought to the weights of now", .answer = dc_asgd},
      {.name = "dc-asgd-adaptive", .what = "the same, adaptive", .answer = adaptive_dc_asgd},
      {.name = "gap-aware", .what = "momentum, gradients by the gap", .answer = gap_aware},
      {.name = "spike", .what = "momentum, spike compensation", .answer = spike},
      {.name = "braking", .what = "momentum, adaptive braking", .answer = braking},
      {.name = "staleness-aware", .what = "momentum, gradients divided by their age", .answer = staleness},
      {.name = "ahead", .what = "momentum, live look-ahead", .answer = ahead},
      {.name = "momentum-matched", .what = "momentum by delay", .matched = true},
      {.name = "nesterov", .what = "Nesterov for pipelines, T1", .rule = rule::nesterov, .by = rate_by::t1},
      {.name = "nesterov-stash", .what = "Nesterov for pipelines, weights stashed", .rule = rule::nesterov, .stash = true},
      {.name = "adamw", .what = "AdamW, nothing against delay", .rule = rule::adamw},
      {.name = "adamw-stash", .what = "AdamW, weights stashed", .rule = rule::adamw, .stash = true},
      {.name = "adamw-t1", .what = "AdamW, T1", .rule = rule::adamw, .by = rate_by::t1},
      {.name = "adamw-t2", .what = "AdamW, T2", .rule = rule::adamw, .answer = t2},
      {.name = "adamw-t1t2", .what = "AdamW, T1 and T2", .rule = rule::adamw, .answer = t2, .by = rate_by::t1},
      {.name = "pipe-optim", .what = "AdamW, PipeOptim", .rule = rule::adamw, .answer = pipe_optim},
      {.name = "xpipe", .what = "AdamW, XPipe", .rule = rule::adamw, .answer = xpipe},
      {.name = "adamw-scheduled", .what = "AdamW, F predicted step by step", .rule = rule::adamw, .answer = scheduled_adam},
      {.name = "adamw-ahead", .what = "AdamW, live look-ahead", .rule = rule::adamw, .answer = ahead},
      {.name = "adamw-ahead-t2", .what = "AdamW, live look-ahead, T2", .rule = rule::adamw, .answer = ahead_t2},
      {.name = "adamw-matched", .what = "AdamW, beta1 by delay", .rule = rule::adamw, .matched = true},
      {.name = "nadam", .what = "NAdam, beta1 0.99", .rule = rule::nadam},
      {.name = "nadam-stash", .what = "NAdam, beta1 0.99, weights stashed", .rule = rule::nadam, .stash = true},
      {.name = "lion", .what = "Lion", .rule = rule::lion},
      {.name = "adan", .what = "Adan", .rule = rule::adan},
      {.name = "lamb", .what = "LAMB", .rule = rule::lamb},
      {.name = "ema-nesterov", .what = "EMA-Nesterov over AdamW", .rule = rule::ema_nesterov},
      {.name = "rotation-one", .what = "basis rotation, first order, one side", .rule = rule::rotated_one},
      {.name = "rotation", .what = "basis rotation, second order, both sides", .rule = rule::rotated},
      {.name = "rotation-stash", .what = "the same, weights stashed", .rule = rule::rotated, .stash = true},
      {.name = "rotation-t2", .what = "the same, T2", .rule = rule::rotated, .answer = t2},
      {.name = "rotation-ahead-t2", .what = "the same, live look-ahead, T2", .rule = rule::rotated, .answer = ahead_t2},
      {.name = "soap", .what = "SOAP", .rule = rule::soap},
      {.name = "soap-ahead-t2", .what = "SOAP, live look-ahead, T2", .rule = rule::soap, .answer = ahead_t2},
      {.name = "muon", .what = "Muon, nothing against delay", .rule = rule::muon},
      {.name = "muon-stash", .what = "Muon, weights stashed", .rule = rule::muon, .stash = true},
      {.name = "muon-t1", .what = "Muon, T1", .rule = rule::muon, .by = rate_by::t1},
      {.name = "muon-t2", .what = "Muon, T2", .rule = rule::muon, .answer = t2},
      {.name = "muon-t1t2", .what = "Muon, T1 and T2", .rule = rule::muon, .answer = t2, .by = rate_by::t1},
      {.name = "muon-difference", .what = "Muon, F predicted by the last change", .rule = rule::muon, .answer = difference},
      {.name = "muon-ahead", .what = "Muon, live look-ahead", .rule = rule::muon, .answer = ahead},
      {.name = "muon-ahead-last",
       .what = "Muon, live look-ahead along the last step",
       .rule = rule::muon,
       .answer = ahead,
       .short_mean = true},
      {.name = "muon-ahead-last-t2",
       .what = "Muon, live look-ahead along the last step, T2",
       .rule = rule::muon,
       .answer = ahead_t2,
       .short_mean = true},
      {.name = "muon-ahead-half",
       .what = "Muon, half a delay ahead along the last step",
       .rule = rule::muon,
       .answer = ahead,
       .horizon = 0.5,
       .short_mean = true},
      {.name = "muon-ahead-quarter",
       .what = "Muon, a quarter of a delay ahead along the last step",
       .rule = rule::muon,
       .answer = ahead,
       .horizon = 0.25,
       .short_mean = true},
      {.name = "muon-ahead-fading",
       .what = "Muon, live look-ahead along the last step, which loses a tenth at each update",
       .rule = rule::muon,
       .answer = ahead,
       .short_mean = true,
       .fade = 0.9},
      {.name = "muon-ahead-fading-t2",
       .what = "the same, T2",
       .rule = rule::muon,
       .answer = ahead_t2,
       .short_mean = true,
       .fade = 0.9},
      {.name = "muon-ahead-fading-stash",
       .what = "the same, weights stashed",
       .rule = rule::muon,
       .answer = ahead,
       .stash = true,
       .short_mean = true,
       .fade = 0.9},
      {.name = "muon-slow-rest",
       .what = "Muon, its vectors and embeddings at rates divided by the root of the delay",
       .rule = rule::muon,
       .rest_power = 0.5},
      {.name = "muon-slow-rest-ahead-last",
       .what = "the same, live look-ahead along the last step",
       .rule = rule::muon,
       .answer = ahead,
       .short_mean = true,
       .rest_power = 0.5},
      {.name = "muon-slow-rest-ahead-quarter",
       .what = "the same, a quarter of a delay ahead",
       .rule = rule::muon,
       .answer = ahead,
       .horizon = 0.25,
       .short_mean = true,
       .rest_power = 0.5},
      {.name = "muon-against-delay",
       .what = "Muon, means of two delays, the rest slowed, half a delay ahead along a last step that fades",
       .rule = rule::muon,
       .answer = ahead,
       .horizon = 0.5,
       .short_mean = true,
       .rest_power = 0.5,
       .fade = 0.9,
       .window = 0.25,
       .match = 2,
       .beta1 = 0.5},
      {.name = "muon-ahead-stash",
       .what = "Muon, live look-ahead, weights stashed",
       .rule = rule::muon,
       .answer = ahead,
       .stash = true},
      {.name = "muon-ahead-t2", .what = "Muon, live look-ahead, T2", .rule = rule::muon, .answer = ahead_t2},
      {.name = "muon-half-t2",
       .what = "Muon, half a delay ahead, T2",
       .rule = rule::muon,
       .answer = ahead_t2,
       .horizon = 0.5},
      {.name = "muon-one-delta", .what = "Muon, look-ahead and T2 by one delta", .rule = rule::muon, .answer = one_delta},
      {.name = "muon-half-one-delta",
       .what = "Muon, half a delay ahead and T2 by one delta",
       .rule = rule::muon,
       .answer = one_delta,
       .horizon = 0.5},
      {.name = "muon-matched", .what = "Muon, momentum by delay", .rule = rule::muon, .matched = true},
      {.name = "muon-matched-stash",
       .what = "Muon, momentum by delay, weights stashed",
       .rule = rule::muon,
       .stash = true,
       .matched = true},
      {.name = "muon-matched-t2", .what = "Muon, momentum by delay, T2", .rule = rule::muon, .answer = t2, .matched = true},
      {.name = "muon-matched-t1t2",
       .what = "Muon, momentum by delay, T1 and T2",
       .rule = rule::muon,
       .answer = t2,
       .by = rate_by::t1,
       .matched = true},
      {.name = "muon-matched-ahead",
       .what = "Muon, momentum by delay, live look-ahead",
       .rule = rule::muon,
       .answer = ahead,
       .matched = true},
      {.name = "muon-matched-ahead-stash",
       .what = "Muon, momentum by delay, live look-ahead, weights stashed",
       .rule = rule::muon,
       .answer = ahead,
       .stash = true,
       .matched = true},
      {.name = "muon-matched-ahead-t2",
       .what = "Muon, momentum by delay, live look-ahead, T2",
       .rule = rule::muon,
       .answer = ahead_t2,
       .matched = true},
      {.name = "muon-matched-one-delta",
       .what = "Muon, momentum by delay, look-ahead and T2 by one delta",
       .rule = rule::muon,
       .answer = one_delta,
       .matched = true},
  };
  return all;
}

namespace {

method const& listed_method(std::string const& name) {
  std::string known;
  for (method const& m : methods()) {
    if (name == m.name) return m;
    known += (known.empty() ? "" : ", ") + m.name;
  }
  throw foal::error(
      foal::sentence("cannot try the method '", name, "', because there is none of that name; use one of ", known));
}

/// Sets what `text`, "horizon=0.25", says.
void change(method& m, std::string const& text) {
  std::size_t const sign = text.find('=');
  std::string known, bounds;
  bool found = false, set = false;
  double value = 0;
  std::size_t read = 0;
  if (sign != std::string::npos) {
    char const* const begin = text.c_str() + sign + 1;
    char* end = nullptr;
    value = std::strtod(begin, &end);
    read = static_cast<std::size_t>(end - begin);
  }
  for_each_number([&](char const* name, double method::*member, double least, double most) {
    known += foal::sentence(known.empty() ? "" : ", ", name);
    if (sign == std::string::npos || text.substr(0, sign) != name) return;
    found = true;
    bounds = foal::sentence(foal::report::shortest(least), " to ", foal::report::shortest(most));
    set = read > 0 && sign + 1 + read == text.size() && value >= least && value <= most;
    if (set) m.*member = value;
  });
  foal::require(found, "cannot vary the method '", m.name, "' by '", text,
                "', because that is none of its numbers; write NAME=VALUE with a name of ", known);
  foal::require(m.reads(text.substr(0, sign)), "cannot vary the method '", m.name, "' by '", text,
                "', because it has no such number; leave it out, or vary one that has");
  foal::require(set, "cannot vary the method '", m.name, "' by '", text, "', because that is no number of ", bounds,
                "; give one");
}

}  // namespace

method const& method_named(std::string const& name) {
  std::size_t at = name.find(':');
  if (at == std::string::npos) return listed_method(name);
  static std::map<std::string, method> variants;
  if (auto const known = variants.find(name); known != variants.end()) return known->second;
  method m = listed_method(name.substr(0, at));
  std::string what = m.what;
  while (at != std::string::npos) {
    std::size_t const next = name.find(':', at + 1);
    std::string const one = name.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    change(m, one);
    what += ", " + one;
    at = next;
  }
  m.name = name;
  m.what = what;
  return variants.emplace(name, std::move(m)).first->second;
}

namespace {

/// The plain method of an optimizer, by its name; "": a method of that rule is its own.
std::string plain_of(rule r) {
  switch (r) {
    case rule::momentum:
      return "momentum";
    case rule::nesterov:
      return "nesterov";
    case rule::adamw:
      return "adamw";
    case rule::nadam:
      return "nadam";
    case rule::rotated:
      return "rotation";
    case rule::soap:
      return "soap";
    case rule::muon:
      return "muon";
    case rule::lion:
    case rule::adan:
    case rule::lamb:
    case rule::ema_nesterov:
    case rule::rotated_one:
      break;
  }
  return {};
}

}  // namespace

std::string method::plain() const {
  std::string all = plain_of(rule);
  if (all.empty()) all = name.substr(0, name.find(':'));
  method const& m = listed_method(all);
  if (rise != m.rise) all += ":rise=" + foal::report::shortest(rise);
  if (momentum != m.momentum) all += ":momentum=" + foal::report::shortest(momentum);
  if (window != m.window) all += ":window=" + foal::report::shortest(window);
  if (beta1 != m.beta1) all += ":beta1=" + foal::report::shortest(beta1);
  return all;
}

bool method::reads(std::string const& number) const {
  bool const looks_ahead = answer == answer::ahead || answer == answer::ahead_t2;
  if (number == "horizon")
    return looks_ahead || answer == answer::one_delta || answer == answer::velocity || answer == answer::difference;
  if (number == "fade") return looks_ahead;
  bool const of_every_method = number == "synchronous" || number == "rise" || number == "window";
  return of_every_method || (rule == rule::muon && !matched);
}

double method::usual_rate() const {
  switch (rule) {
    case rule::momentum:
      return 0.04;
    case rule::nesterov:
      return 0.2;
    case rule::lion:
      return 0.0005;
    case rule::lamb:
    case rule::muon:
      return 0.01;
    default:
      return 0.002;
  }
}

optimizers optimizers_of(method const& m) {
  optim::adamw const adam{.beta1 = m.beta1, .beta2 = beta2, .weight_decay = 0};
  any_optimizer const rest = m.matched          ? one(match(adam, 10))
                             : m.rest_power > 0 ? one(optim::slowed_by_delay<optim::adamw>{adam, m.rest_power})
                                                : one(adam);
  switch (m.rule) {
    case rule::momentum: {
      any_optimizer const all = m.matched ? one(match(optim::momentum{}, 10)) : one(optim::momentum{});
      return {.matrices = all, .rest = all};
    }
    case rule::adamw:
      return {.matrices = rest, .rest = rest};
    case rule::nadam: {
      any_optimizer const all = one(optim::nadam{.beta1 = 0.99, .beta2 = beta2});
      return {.matrices = all, .rest = all};
    }
    case rule::nesterov: {
      any_optimizer const all = one(optim::asynchronous_nesterov{.spread = m.stash ? 0.0 : 31.0});
      return {.matrices = all, .rest = all};
    }
    case rule::lion:
      return {.matrices = one(optim::lion{}), .rest = one(optim::lion{})};
    case rule::adan:
      return {.matrices = one(optim::adan{}), .rest = one(optim::adan{})};
    case rule::lamb:
      return {.matrices = one(optim::lamb{.beta2 = beta2, .weight_decay = 0}),
              .rest = one(optim::lamb{.beta2 = beta2, .weight_decay = 0})};
    case rule::ema_nesterov: {
      any_optimizer const all = one(optim::ema_nesterov<optim::adamw>{.base = adam});
      return {.matrices = all, .rest = all};
    }
    case rule::rotated_one:
      return {.matrices = one(optim::rotated_adam{.beta2 = beta2, .sides = optim::sides::one, .order = optim::order::first}),
              .rest = rest};
    case rule::rotated:
      return {.matrices = one(optim::rotated_adam{.beta2 = beta2, .basis_decay = 0.99}), .rest = rest};
    case rule::soap:
      return {.matrices = one(optim::rotated_adam{.beta1 = 0.95, .beta2 = 0.95, .basis_decay = 0.95}),
              .rest = one(optim::adamw{.beta1 = 0.95, .beta2 = 0.95, .weight_decay = 0})};
    case rule::muon:
      break;
  }
  optim::orthogonal_momentum const turned{.momentum = m.momentum, .weight_decay = 0};
  using late = optim::delay_matched<optim::orthogonal_momentum>;
  late const by_delay{.base = turned, .least = 1 / (1 - m.momentum), .per_delay = m.match, .most = 0.999};
  any_optimizer const matrices = m.matched                   ? one(match(turned, 20))
                                 : m.slow > 0 || m.match > 0 ? one(optim::slowed_by_delay<late>{by_delay, m.slow})
                                                             : one(turned);
  return {.matrices = matrices, .rest = rest};
}

}  // namespace delay_lab
