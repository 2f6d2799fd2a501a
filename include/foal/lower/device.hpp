// A device and a loss as functions.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>

#include <foal/device/contract.hpp>
#include <foal/device/ops.hpp>
#include <foal/table/functions.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

template <class S>
struct add_elements {
  FOAL_HOST_DEVICE void operator()(S const& a, S const& b, S& y) const { y = a + b; }
};

template <class D, class S>
struct device_thunks {
  static D& of(void* d) { return *static_cast<D*>(d); }
  static void* allocate(std::size_t n, [[maybe_unused]] int ordinal) {
    if constexpr (device::has_ordinals<D>)
      return D::allocate(n, ordinal);
    else
      return D::allocate(n);
  }
  static void release(void* p) { D::release(p); }
  static void* make(void* workspace, [[maybe_unused]] std::size_t bytes, [[maybe_unused]] int ordinal) {
    if constexpr (device::has_ordinals<D>)
      return new D(workspace, bytes, ordinal);
    else if constexpr (requires { D(workspace, bytes); })
      return new D(workspace, bytes);
    else
      return new D(workspace);
  }
  static void destroy(void* d) { delete static_cast<D*>(d); }
  static constexpr void give_ops(device_functions& f) {
    using t = device_thunks;
    f.workspace_bytes = D::workspace_bytes;
    f.allocate = &t::allocate;
    f.release = &t::release;
    f.make = &t::make;
    f.destroy = &t::destroy;
    f.copy = &t::copy;
    f.copy_in = &t::copy_in;
    f.copy_out = &t::copy_out;
    f.zero = &t::zero;
    f.synchronise = &t::synchronise;
    f.add = &t::add;
    f.all_finite = &t::all_finite;
    f.magnitude_bound = &t::magnitude_bound;
    f.sum_of_squares = &t::sum_of_squares;
    if constexpr (device::asynchronous<D>) give_events(f);
    if constexpr (device::asynchronous<D> && device::tells_times<D>) give_times(f);
    if constexpr (device::asynchronous<D> && device::records<D>) give_recording(f);
    if constexpr (device::asynchronous<D> && device::copies_beside<D>) give_copies(f);
    if constexpr (device::asynchronous<D> && device::has_forms<D>) {
      f.form_type = D::form_type;
      f.form_elements = [](shape parameter) -> long long { return D::template form_elements<S>(parameter); };
      f.keep_forms = [](void* d, void const* w, std::size_t n, void* room, std::size_t bytes) {
        of(d).keep_forms(w, n, room, bytes);
      };
      f.weights_changed = [](void* d) { of(d).weights_changed(); };
    }
  }
  static constexpr void give_events(device_functions& f) {
    using event = typename D::event;
    f.make_event = []() -> void* { return new event(); };
    f.destroy_event = [](void* e) { delete static_cast<event*>(e); };
    f.record = [](void* d, void* e) { of(d).record(*static_cast<event*>(e)); };
    f.wait = [](void* d, void const* e) { of(d).wait(*static_cast<event const*>(e)); };
    f.done = [](void const* e) { return D::done(*static_cast<event const*>(e)); };
    f.finish = [](void const* e) { D::finish(*static_cast<event const*>(e)); };
    f.allocate_host = [](std::size_t n) { return D::allocate_host(n); };
    f.release_host = [](void* p) { D::release_host(p); };
    f.copy_back = [](void* d, void* to, void const* from, std::size_t n) { of(d).copy_back(to, from, n); };
    f.magnitude_bound_to = [](void* d, std::size_t n, void const* x, double* to) {
      of(d).magnitude_bound(n, static_cast<S const*>(x), to);
    };
  }
  static constexpr void give_copies(device_functions& f) {
    using queue = typename D::copy_queue;
    using event = typename D::event;
    f.make_copies = [](void* d) -> void* { return new queue(of(d)); };
    f.destroy_copies = [](void* q) { delete static_cast<queue*>(q); };
    f.copies_back = [](void* q, void* to, void const* from, std::size_t n) {
      static_cast<queue*>(q)->copy_back(to, from, n);
    };
    f.copies_ahead = [](void* q, void* to, void const* from, std::size_t n) {
      static_cast<queue*>(q)->copy_ahead(to, from, n);
    };
    f.copies_record = [](void* q, void* e) { static_cast<queue*>(q)->record(*static_cast<event*>(e)); };
    f.copies_wait = [](void* q, void const* e) { static_cast<queue*>(q)->wait(*static_cast<event const*>(e)); };
  }
  /// The pointers are to events, which a timed one derives from.
  static constexpr void give_times(device_functions& f) {
    using event = typename D::event;
    using timed_event = typename D::timed_event;
    f.make_timed_event = []() -> void* { return static_cast<event*>(new timed_event()); };
    f.destroy_timed_event = [](void* e) { delete static_cast<timed_event*>(static_cast<event*>(e)); };
    f.milliseconds = [](void const* from, void const* to) {
      auto const timed = [](void const* e) -> timed_event const& {
        return static_cast<timed_event const&>(*static_cast<event const*>(e));
      };
      return D::milliseconds(timed(from), timed(to));
    };
  }
  static constexpr void give_recording(device_functions& f) {
    using graph = typename D::graph;
    f.begin_recording = [](void* d) { of(d).begin_recording(); };
    f.end_recording = [](void* d) -> void* { return new graph(of(d).end_recording()); };
    f.launch = [](void* d, void const* g) { of(d).launch(*static_cast<graph const*>(g)); };
    f.destroy_graph = [](void* g) { delete static_cast<graph*>(g); };
  }
  static void copy(void* d, void* to, void const* from, std::size_t n) { of(d).copy(to, from, n); }
  static void copy_in(void* d, void* to, void const* from, std::size_t n) { of(d).copy_in(to, from, n); }
  static void copy_out(void* d, void* to, void const* from, std::size_t n) { of(d).copy_out(to, from, n); }
  static void zero(void* d, void* to, std::size_t n) { of(d).zero(to, n); }
  static void synchronise(void* d) { of(d).synchronise(); }
  static void add(void* d, std::size_t n, void const* a, void const* b, void* y) {
    of(d).map(n, add_elements<S>{}, static_cast<S const*>(a), static_cast<S const*>(b), static_cast<S*>(y));
  }
  static bool all_finite(void* d, std::size_t n, void const* x) { return of(d).all_finite(n, static_cast<S const*>(x)); }
  /// A device without the op says the root of the sum of squares, which is not below.
  static double magnitude_bound(void* d, std::size_t n, void const* x) {
    auto const* const from = static_cast<S const*>(x);
    if constexpr (requires { of(d).magnitude_bound(n, from); }) {
      return of(d).magnitude_bound(n, from);
    } else {
      double const root = std::sqrt(of(d).sum_of_squares(n, from));
      if (std::isfinite(root)) return root * (1 + 1e-9);
      bool const finite = of(d).all_finite(n, from);  // of large doubles
      return finite ? std::numeric_limits<double>::max() : std::numeric_limits<double>::quiet_NaN();
    }
  }
  static double sum_of_squares(void* d, std::size_t n, void const* x) {
    return of(d).sum_of_squares(n, static_cast<S const*>(x));
  }
};

// The arguments name the layer, or loss, and the kind of ops.
template <class Layer, class Device, class S, class Kind>
struct device_has {
  static_assert(Kind::template in<Device, S>,
                "foal: cannot run this Layer on this Device, because the Device lacks an op of the Kind named here, or has "
                "it with another signature; add it (include/foal/device/ops.hpp has the Kind's ops), or use another device");
};
template <class Layer, class Device, class S, class List>
struct device_has_all;
template <class Layer, class Device, class S, class... Kinds>
struct device_has_all<Layer, Device, S, type_list<Kinds...>> : device_has<Layer, Device, S, Kinds>... {};

// The arguments name the device and the scalar.
template <class D, class S>
struct device_is_whole {
  static_assert(
      device::memory<D> && requires { D::workspace_bytes; },
      "foal: cannot train on this device, because it lacks workspace_bytes or one of allocate, release, copy, "
      "copy_in, copy_out, zero and synchronise (include/foal/device/contract.hpp); derive it from "
      "foal::device::host, or give it all of them");
  static_assert(device::runs_scalar<D, S>,
                "foal: cannot train on this device in this scalar, because it lacks map, sum_of_squares or all_finite for "
                "it (include/foal/device/contract.hpp); add them, or train in the scalar that it has");
  static_assert(!device::says_asynchronous<D> || device::queues_scalar<D, S>,
                "foal: cannot train on this asynchronous device, because it lacks event, record, wait, done, finish, "
                "map_from, copy_back, allocate_host, release_host or the magnitude_bound that does not wait "
                "(include/foal/device/contract.hpp); add them");
};
template <class D, class S>
constexpr bool is_whole = device::memory<D> && requires { D::workspace_bytes; } && device::runs_scalar<D, S> &&
                          (!device::says_asynchronous<D> || device::queues_scalar<D, S>);

template <class D>
constexpr bool uses_host_memory() {
  if constexpr (device::says_asynchronous<D>)
    return false;  // what the host would read may not be there yet
  else if constexpr (requires { D::host_memory; })
    return D::host_memory;
  else
    return true;
}

template <class Loss, class S>
using target_of = std::conditional_t<std::is_void_v<typename Loss::target>, S, typename Loss::target>;

template <class Loss, class D, class S>
loss::loss_result apply_loss(loss_call const& c) {
  context<D, S> ctx{*static_cast<D*>(c.device), c.in, c.in, c.samples, 1, c.phase, {}, nullptr, nullptr};
  using target = target_of<Loss, S>;
  return static_cast<Loss const*>(c.loss)->apply(ctx, static_cast<S const*>(c.x), static_cast<target const*>(c.targets),
                                                 c.divide, static_cast<S*>(c.dx));
}

template <class Loss, class D, class S>
constexpr bool applies_later =
    device::asynchronous<D> && requires(Loss const& l, context<D, S>& ctx, S const* x, target_of<Loss, S> const* t, S* dx,
                                        device::loss_sums* to) { l.apply(ctx, x, t, 1.0, dx, to); };

template <class Loss, class D, class S>
void apply_loss_later(loss_call const& c, device::loss_sums* to) {
  context<D, S> ctx{*static_cast<D*>(c.device), c.in, c.in, c.samples, 1, c.phase, {}, nullptr, nullptr};
  static_cast<Loss const*>(c.loss)->apply(ctx, static_cast<S const*>(c.x), static_cast<target_of<Loss, S> const*>(c.targets),
                                          c.divide, static_cast<S*>(c.dx), to);
}
/// Waits for the sums.
template <class Loss, class D, class S>
loss::loss_result apply_loss_and_wait(loss_call const& c) {
  if constexpr (applies_later<Loss, D, S>) {
    device::loss_sums sums;
    auto* const to = static_cast<device::loss_sums*>(c.sums);
    apply_loss_later<Loss, D, S>(c, to);
    static_cast<D*>(c.device)->copy_out(&sums, to, sizeof sums);
    return loss::result_of(sums);
  } else {
    if constexpr (device::asynchronous<D>) static_cast<D*>(c.device)->synchronise();  // it may read for itself
    return apply_loss<Loss, D, S>(c);
  }
}

template <class Loss>
constexpr bool takes_classes = requires { requires Loss::classes; };

template <class Loss>
target_counts count_targets(void const* targets, long long n, int classes) {
  auto const* const t = static_cast<typename Loss::target const*>(targets);
  target_counts result;
  for (long long i = 0; i < n; ++i) {
    if constexpr (requires { Loss::ignored; })
      if (t[i] == Loss::ignored) continue;
    ++result.counted;
    if (result.misfit >= 0 || (t[i] >= 0 && t[i] < classes)) continue;
    result.misfit = i;
    result.value = static_cast<long long>(t[i]);
  }
  return result;
}

/// From the last one down: a scalar lies over targets that have been read.
template <class Target, class S>
void targets_to_scalars(void* x, std::size_t n) {
  auto* const bytes = static_cast<std::byte*>(x);
  for (std::size_t i = n; i-- > 0;) {
    Target from;
    std::memcpy(&from, bytes + i * sizeof(Target), sizeof from);
    S const to = static_cast<S>(from);
    std::memcpy(bytes + i * sizeof(S), &to, sizeof to);
  }
}

/// Whether correct targets mean something: as the loss says, or where its targets are of a type of their own.
template <class Loss>
constexpr bool has_accuracy() {
  if constexpr (requires { Loss::has_accuracy; })
    return Loss::has_accuracy;
  else
    return !std::is_void_v<typename Loss::target>;
}

}  // namespace detail

template <class D, class S>
constexpr device_functions device_of() {
  static_assert(
      requires { sizeof(D); },
      "foal: cannot train on this device, because only its name is known here; include its header (in a .cu file "
      "foal/cuda.hpp for a GPU, foal/device/host.hpp for the host)");
  if constexpr (requires { sizeof(D); }) static_assert(sizeof(detail::device_is_whole<D, S>) > 0);
  using t = detail::device_thunks<D, S>;
  device_functions f;
  f.host_memory = detail::uses_host_memory<D>();
  f.asynchronous = device::asynchronous<D>;
  if constexpr (device::has_ordinals<D>) f.count = [] { return D::count(); };
  if constexpr (detail::is_whole<D, S>) t::give_ops(f);
  return f;
}

template <class Loss, class D, class S>
loss_functions loss_of(shape output) {
  loss_functions f;
  static_assert(sizeof(detail::device_has_all<Loss, D, S, typename device::ops::detail::ops_of<Loss>::type>) > 0);
  if constexpr (device::ops::serve<Loss, D, S>) f.apply = &detail::apply_loss_and_wait<Loss, D, S>;
  if constexpr (detail::applies_later<Loss, D, S>) f.apply_later = &detail::apply_loss_later<Loss, D, S>;
  f.targets = [](shape of) { return Loss::targets(of); };
  if constexpr (detail::takes_classes<Loss>) f.count = &detail::count_targets<Loss>;
  using target = detail::target_of<Loss, S>;
  if constexpr (sizeof(target) <= sizeof(S)) f.to_scalars = &detail::targets_to_scalars<target, S>;
  if constexpr (requires { Loss::class_count; }) f.classes = Loss::class_count;
  if constexpr (requires { Loss::accepts(output); })
    require(Loss::accepts(output), "cannot take the loss ", Loss::name, ", because the model ends in ", output.positions(),
            " x ", output.channels(), " numbers, which it does not accept; end the model with the layers that it is for");
  f.targets_per_sample = Loss::targets(output);
  f.target_bytes = sizeof(detail::target_of<Loss, S>);
  f.sample_weight = Loss::weight(output, 1);
  f.has_accuracy = detail::has_accuracy<Loss>();
  return f;
}

}  // namespace foal::lower
