// What a device offers. An object is a queue: its ops are done in the order of the calls, and one thread at a time calls it.
//
// Where ops are done when they return (the host), a worker has one object, for all its units. A device whose ops are done
// later says `static constexpr bool asynchronous = true`: then every unit has an object of its own, with workspace and
// scratch of its own, and the units of a worker run side by side.
//
// Memory and copies (sizes in bytes):
//   static void* allocate(std::size_t)   64-byte aligned, throws foal::error     static void release(void*)
//   copy(dst, src, n)  device to device      copy_in(dst, host_src, n)  host_src is free again when it returns
//   copy_out(host_dst, src, n)  waits for the result
//   zero(dst, n)      synchronise(), waits for all      static constexpr bool host_memory: the host may use the memory
//   (absent: true)
// Which of several: a device of which a machine may have more than one has
//   static int count()      static void* allocate(std::size_t, int ordinal)      Device(void* workspace, std::size_t bytes,
//   int ordinal)
//   with ordinals 0 to count() - 1, and chooses the one with that number; every other device has ordinal 0 alone.
// Workspace: static constexpr std::size_t workspace_bytes; explicit Device(void* workspace): scratch of libraries.
//   Optional, where it depends on the model: template <class S> static constexpr std::size_t workspace_for(shape parameter),
//   at least workspace_bytes, with Device(void* workspace, std::size_t bytes), which gets the most of any parameter.
// Events, of an asynchronous device (the host has them too, with nothing in them):
//   Device::event       default-constructed: nothing was recorded, so nothing is waited for
//   record(event& e)    e stands for what has been called of this object so far; one thread at a time records in an event
//   wait(event const& e)    what is called of this object from now on is done after that; the calling thread goes on
//   static bool done(event const& e)   whether it has been done      static void finish(event const& e)   waits until it has
// Times, optional, of an asynchronous device:
//   Device::timed_event   derives from event      static double milliseconds(timed_event const& from, timed_event const& to)
//   between the two being done, which must have been on one device; what a trace has of the device comes from it
// Reading late, of an asynchronous device:
//   static void* allocate_host(std::size_t)   host memory for copy_back, 64-byte aligned     static void release_host(void*)
//   copy_back(host_dst, src, n)   does not wait: the host has it once an event that is recorded afterwards is done
// Copies beside ops, optional, of an asynchronous device (without, nothing can be offloaded to the host's memory):
//   Device::copy_queue   explicit copy_queue(Device&)   a queue of copies alone, on the object's device, with which it has
//   no order but by events; called by the object's thread      copy_back(host_dst, src, n)   as above
//   copy_ahead(dst, host_src, n)   does not wait: host_src, of allocate_host, stays as it is until an event that is recorded
//   afterwards is done      record(event& e)      wait(event const& e)      its destructor waits for all
// Recording, optional, of an asynchronous device (a run's .record):
//   Device::graph   begin_recording()   what is called from now on is recorded and not done, of objects, too, that wait for
//   an event which was recorded meanwhile      graph end_recording()   of the object that began, which waits for the others
//   launch(graph const&)   does what was recorded, with what memory holds then      copy_in, and what waits, throws
//   meanwhile
// Elementwise: map(n, f, pointers...)  calls f(pointers[i]...) with references for i in [0, n), in any order.
//   f is a functor whose operator() is FOAL_HOST_DEVICE; host and CUDA run the same one.
// Of an asynchronous device also: map_from(n, make, block, pointers...)  block: device memory. When the op is done,
//   make.goes(block) says whether it does anything, and make(block) gives its functor, both FOAL_HOST_DEVICE: numbers that
//   change from step to step are read from the block and are no part of the op, so that a recorded op can be done again.
// Reductions (fixed order, so equal bits on every run): double sum_of_squares(n, x); bool all_finite(n, x). They wait.
//   Optional: double magnitude_bound(n, x), which no magnitude is above; NaN where an element is not finite. Of an
//   asynchronous device also: magnitude_bound(n, x, double* bound), in device memory, which does not wait.
// Exact, optional, of a device whose products round their factors: D& exact(), of any device type, the same queue with
// products that do not. Optimizers of whole parameters (Muon, basis rotation) get it: they multiply again and again.
// Forms, optional, of an asynchronous device that reads weights in another form than they have: static constexpr element
// form_type; template <class S> static constexpr long long form_elements(shape parameter), of form_type, for each parameter;
// keep_forms(weights, bytes, room, room_bytes): from now on forms of these weights may be kept in the room, and none is made
// yet; weights_changed(): all are old. What else an op is given as weights (predicted ones, old versions) has no form.
// Losses (device/ops.hpp): give their sums, and where the device is asynchronous, leave them in a place in its memory.
// What layers call, products to attention, is in device/ops.hpp by kinds (device/host/*.hpp are the oracle of device/cuda).
#pragma once

#include <foal/core/config.hpp>
#include <foal/tensor/shape.hpp>

#include <concepts>
#include <cstddef>

namespace foal::device {

namespace detail {

/// A functor of three arrays, for concepts.
template <class S>
struct any_functor {
  FOAL_HOST_DEVICE void operator()(S const&, S const&, S&) const {}
};
/// A functor that is made where the op is done, for concepts.
template <class S>
struct any_maker {
  FOAL_HOST_DEVICE bool goes(void const*) const { return true; }
  FOAL_HOST_DEVICE any_functor<S> operator()(void const*) const { return {}; }
};

}  // namespace detail

/// What every run asks of a device in the scalar S, whatever its layers. D can be made from a workspace.
template <class D, class S>
concept runs_scalar = requires(D d, S* x, S const* c, std::size_t n) {
  d.map(n, detail::any_functor<S>{}, c, c, x);
  { d.sum_of_squares(n, c) } -> std::same_as<double>;
  { d.all_finite(n, c) } -> std::same_as<bool>;
};

template <class D>
concept memory = requires(D d, void* p, void const* c, std::size_t n) {
  { D::allocate(n) } -> std::same_as<void*>;
  D::release(p);
  d.copy(p, c, n);
  d.copy_in(p, c, n);
  d.copy_out(p, c, n);
  d.zero(p, n);
  d.synchronise();
};

/// Its ops may be done later than they return: so it says.
template <class D>
concept says_asynchronous = requires { requires D::asynchronous; };

/// A queue that others can wait for.
template <class D>
concept has_events = requires(D d, typename D::event& e, typename D::event const& recorded) {
  requires std::default_initializable<typename D::event>;
  d.record(e);
  d.wait(recorded);
  { D::done(recorded) } -> std::same_as<bool>;
  D::finish(recorded);
};

/// It tells when its events were done.
template <class D>
concept tells_times = has_events<D> && requires(typename D::timed_event const& from, typename D::timed_event const& to) {
  requires std::default_initializable<typename D::timed_event>;
  requires std::derived_from<typename D::timed_event, typename D::event>;
  { D::milliseconds(from, to) } -> std::same_as<double>;
};

/// What is called of it can be recorded, and done again.
template <class D>
concept records = has_events<D> && requires(D d, typename D::graph const& recorded) {
  d.begin_recording();
  { d.end_recording() } -> std::same_as<typename D::graph>;
  d.launch(recorded);
};

/// What an asynchronous device has beside the rest.
template <class D, class S>
concept queues_scalar =
    has_events<D> && requires(D d, S* x, S const* c, void const* block, double* bound, void* p, std::size_t n) {
      d.map_from(n, detail::any_maker<S>{}, block, c, c, x);
      d.magnitude_bound(n, c, bound);
      { D::allocate_host(n) } -> std::same_as<void*>;
      D::release_host(p);
      d.copy_back(p, block, n);
    };

/// It copies to and from the host's memory beside its ops.
template <class D>
concept copies_beside = has_events<D> && std::constructible_from<typename D::copy_queue, D&> &&
                        requires(typename D::copy_queue q, typename D::event& e, void* p, void const* c, std::size_t n) {
                          q.copy_back(p, c, n);
                          q.copy_ahead(p, c, n);
                          q.record(e);
                          q.wait(e);
                        };

/// Its ops may be done later than they return, and it has what that takes.
template <class D>
concept asynchronous = says_asynchronous<D> && queues_scalar<D, float>;

/// It keeps forms of weights.
template <class D>
concept has_forms = requires(D d, void const* weights, std::size_t n, void* room) {
  D::form_type;
  D::template form_elements<float>(shape{});
  d.keep_forms(weights, n, room, n);
  d.weights_changed();
};

/// A machine may have several.
template <class D>
concept has_ordinals = requires(void* workspace, std::size_t n, int ordinal) {
  { D::count() } -> std::same_as<int>;
  { D::allocate(n, ordinal) } -> std::same_as<void*>;
  D(workspace, n, ordinal);
};

template <class D>
concept device = memory<D> && requires {
  { D::workspace_bytes } -> std::convertible_to<std::size_t>;
} && runs_scalar<D, float> && (!says_asynchronous<D> || queues_scalar<D, float>);

}  // namespace foal::device
