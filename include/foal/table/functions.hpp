// Where types end: layers, loss, optimizer, delay policy and device become function pointers over untyped memory.
#pragma once

#include <cstdint>
#include <string_view>

#include <foal/device/loss_sums.hpp>
#include <foal/layer/loss/result.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/concept.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/policy/replica/concept.hpp>
#include <foal/table/stage_table.hpp>

namespace foal::table {

/// What ops of a unit read where they are done, on an asynchronous device: the beginning of the unit's block. The host
/// writes it through the unit's queue, but for bound.
struct step_numbers {
  double bound = 0;          ///< no magnitude of the gradient at U is above it; NaN: some are not finite. The device's
  double limit = 0;          ///< U writes only where bound is not above it
  std::uint64_t sample = 0;  ///< ordinal, in the run, of the first sample of the op at work
};

/// A device as functions; `device` arguments are what make() gave. Sizes in bytes, except n: elements of the scalar type.
struct device_functions {
  std::size_t workspace_bytes = 0;
  bool host_memory = true;    ///< the host may read and write the device's memory
  bool asynchronous = false;  ///< ops may be done later than they return: a queue for each unit, ordered by events
  int (*count)() = nullptr;   ///< of devices: ordinals are 0 to count() - 1; null: there is one
  void* (*allocate)(std::size_t bytes, int ordinal) = nullptr;
  void (*release)(void*) = nullptr;
  void* (*make)(void* workspace, std::size_t bytes, int ordinal) = nullptr;  ///< bytes: workspace_bytes
  void (*destroy)(void* device) = nullptr;
  // Of an asynchronous device.
  void* (*make_event)() = nullptr;
  void (*destroy_event)(void* event) = nullptr;
  void (*record)(void* device, void* event) = nullptr;
  void (*wait)(void* device, void const* event) = nullptr;
  bool (*done)(void const* event) = nullptr;
  void (*finish)(void const* event) = nullptr;
  // Of one that tells when its events were done; else null. A timed event is an event, too.
  void* (*make_timed_event)() = nullptr;
  void (*destroy_timed_event)(void* event) = nullptr;
  double (*milliseconds)(void const* from, void const* to) = nullptr;
  // Of one that records; else null.
  void (*begin_recording)(void* device) = nullptr;
  void* (*end_recording)(void* device) = nullptr;
  void (*launch)(void* device, void const* graph) = nullptr;
  void (*destroy_graph)(void* graph) = nullptr;
  void* (*allocate_host)(std::size_t bytes) = nullptr;
  void (*release_host)(void*) = nullptr;
  void (*copy_back)(void* device, void* host_to, void const* from, std::size_t bytes) = nullptr;
  // Of one that copies beside its ops; else null. A queue of copies is made for a device.
  void* (*make_copies)(void* device) = nullptr;
  void (*destroy_copies)(void* copies) = nullptr;
  void (*copies_back)(void* copies, void* host_to, void const* from, std::size_t bytes) = nullptr;
  void (*copies_ahead)(void* copies, void* to, void const* host_from, std::size_t bytes) = nullptr;
  void (*copies_record)(void* copies, void* event) = nullptr;
  void (*copies_wait)(void* copies, void const* event) = nullptr;
  void (*magnitude_bound_to)(void* device, std::size_t n, void const* x, double* device_to) = nullptr;
  void (*copy)(void* device, void* to, void const* from, std::size_t bytes) = nullptr;
  void (*copy_in)(void* device, void* to, void const* from, std::size_t bytes) = nullptr;
  void (*copy_out)(void* device, void* to, void const* from, std::size_t bytes) = nullptr;
  void (*zero)(void* device, void* to, std::size_t bytes) = nullptr;
  void (*synchronise)(void* device) = nullptr;
  void (*add)(void* device, std::size_t n, void const* a, void const* b, void* y) = nullptr;  ///< y = a + b; y may be a
  bool (*all_finite)(void* device, std::size_t n, void const* x) = nullptr;
  /// No magnitude is above it; NaN where an element is not finite, and nowhere else.
  double (*magnitude_bound)(void* device, std::size_t n, void const* x) = nullptr;
  double (*sum_of_squares)(void* device, std::size_t n, void const* x) = nullptr;
  // Of a device that keeps forms of weights; else null.
  element form_type = element::scalar;
  long long (*form_elements)(shape parameter) = nullptr;
  void (*keep_forms)(void* device, void const* weights, std::size_t bytes, void* room, std::size_t room_bytes) = nullptr;
  void (*weights_changed)(void* device) = nullptr;
};

/// Rows of `row` elements each to their code, or back.
struct codec_call {
  void const* codec = nullptr;
  void* device = nullptr;
  std::size_t rows = 0, row = 1;
  void const* from = nullptr;
  void* error = nullptr;  ///< of encode: as many elements, added before and left with what is lost; null: none is fed back
  void* to = nullptr;
};

/// A codec (policy/codec/concept.hpp) as functions.
struct codec_functions {
  char const* name = "";
  void const* codec = nullptr;  ///< its value
  int least_row = 1;            ///< elements of a row; shorter ones are kept as they are
  element stored = element::bytes;
  bool feeds_back = false;  ///< encode takes an error
  std::size_t (*row_bytes)(void const* codec, std::size_t row) = nullptr;
  void (*encode)(codec_call const&) = nullptr;
  void (*decode)(codec_call const&) = nullptr;
};

/// The loss of one microbatch; dx null in evaluation.
struct loss_call {
  void* device = nullptr;
  void const* loss = nullptr;
  shape in{};
  int samples = 0;
  foal::phase phase = phase::train;
  void const* x = nullptr;
  void const* targets = nullptr;
  double divide = 1;
  void* dx = nullptr;
  void* sums = nullptr;  ///< on an asynchronous device: room in its memory for loss_sums
};

/// What class numbers are there, before a loss sees them.
struct target_counts {
  long long counted = 0;  ///< those that the loss does not ignore
  long long misfit = -1;  ///< the first of them that is not 0 to classes - 1; -1: none
  long long value = 0;    ///< its number
};

struct loss_functions {
  loss::loss_result (*apply)(loss_call const&) = nullptr;
  /// Leaves the sums in device memory and does not wait; null: only apply() is there.
  void (*apply_later)(loss_call const&, device::loss_sums* to) = nullptr;
  int (*targets)(shape output) = nullptr;  ///< per sample of that shape
  /// Null: targets are no class numbers.
  target_counts (*count)(void const* targets, long long n, int classes) = nullptr;
  /// n targets at x to scalars, in place; null: they are longer than scalars.
  void (*to_scalars)(void* x, std::size_t n) = nullptr;
  int classes = 0;  ///< of class numbers; 0: as many as the output has channels
  int targets_per_sample = 1;
  std::size_t target_bytes = 0;  ///< of one target
  double sample_weight = 1;      ///< weight of one sample
  bool has_accuracy = true;      ///< it counts correct targets

  int classes_of(shape output) const { return classes > 0 ? classes : output.channels(); }
};

/// Where, on an asynchronous device, an op finds the numbers that change from step to step; without, they are part of it.
struct numbers_place {
  void const* block = nullptr;  ///< of the unit, in device memory: step_numbers, then the functors of calls
  std::size_t numbers = 0;      ///< where in it the functor of this call begins
};

/// U for one parameter: n elements.
struct update_call : numbers_place {
  void* device = nullptr;
  void const* optimizer = nullptr;
  void const* delay = nullptr;
  std::size_t n = 0;
  void* w = nullptr;
  void* g = nullptr;                  ///< the sum over the minibatch; U leaves it at zero
  void* states[most_states]{};        ///< the optimizer's
  void* delay_states[most_states]{};  ///< the delay policy's; null where the parameter has none
  bool compensate = false;            ///< the delay policy acts
  shape extent{};
  void* scratch = nullptr;       ///< parameter_row::update_scratch bytes
  double divide = 1, scale = 1;  ///< gradient = g / divide * scale (clipping)
  double rate = 0;
  optim::parameter_rule rule{};
  long long update = 1;  ///< the stage's own count, from 1
  delay::moment moment{};
};

/// What is known of the magnitudes in a stage: the optimizer's, and those of the delay policy's states.
struct update_bounds : optim::magnitudes {
  double delay[most_states] = {};
};

/// u = f(w, states...) for one parameter: the weight that F or B reads.
struct weight_call : numbers_place {
  void* device = nullptr;
  void const* delay = nullptr;
  std::size_t n = 0;
  void const* w = nullptr;
  void* delay_states[most_states]{};
  void* seen[most_states]{};  ///< the optimizer's states that the policy sees
  void* u = nullptr;
  delay::moment moment{};
};

/// sum += f(g, w, then, states...) for one parameter: what a microbatch adds to the gradient.
struct gradient_call : weight_call {
  void const* g = nullptr;     ///< the microbatch's
  void const* then = nullptr;  ///< the weights that its F has read
  void* sum = nullptr;
  bool compensate = false;  ///< the delay policy acts; else sum += g
};

/// What the gradient is multiplied by, given its norm over `over`; null where nothing is clipped.
struct clip_functions {
  clip::scope over = clip::scope::none;
  double (*scale)(void const* policy, double norm) = nullptr;
};

/// What replicas exchange (policy/replica/concept.hpp). merge, of n elements: reference weights, given the sum of the
/// replicas' weights; momentum null where there is none. take: a replica's weights, given the reference.
struct replica_functions {
  replica::exchanged what = replica::exchanged::gradients;
  void const* policy = nullptr;
  long long every = 1;    ///< of weights: after so many updates
  bool momentum = false;  ///< of weights: the policy has a number for each
  void (*merge)(void const* policy, std::size_t n, int replicas, void const* sum, void* reference, void* momentum) = nullptr;
  void (*take)(void const* policy, std::size_t n, int replicas, void const* reference, void* w) = nullptr;

  bool shards() const { return what == replica::exchanged::shards; }
  bool of_weights() const { return replica::of_weights(what); }
  bool is_late() const { return replica::is_late(what); }
};

/// Most optimizers that one policy is made of.
inline constexpr int most_optimizers = 4;

/// The functor of a call as bytes, to be brought to a unit's block. write null: the calls have no such functor.
template <class Call>
struct call_numbers {
  std::size_t bytes = 0;
  void (*write)(Call const&, void* host_to) = nullptr;
};

struct optimizer_functions {
  void (*update)(update_call const&) = nullptr;
  call_numbers<update_call> numbers{};  ///< of elementwise ones on an asynchronous device
  /// Turns bounds before an update into bounds after it; true: it leaves every number finite. Null: no bounds are known.
  bool (*bound)(update_call const&, update_bounds&) = nullptr;
  int states = 0;
  bool whole = false;  ///< it takes a parameter as a whole: extent, scratch and sizes of states count
  void const* (*part)(void const* policy) = nullptr;  ///< its value within the policy's
  long long (*state_size)(void const* part, int state, shape extent) = nullptr;
  std::size_t (*scratch_bytes)(void const* part, shape extent) = nullptr;
};

struct policy_functions {
  optimizer_functions optimizer[most_optimizers];
  int optimizers = 1;
  void (*forward_weight)(weight_call const&) = nullptr;         ///< null: F reads the weights as they are
  void (*backward_weight)(weight_call const&) = nullptr;        ///< null: B reads the weights as they are
  void (*microbatch_gradient)(gradient_call const&) = nullptr;  ///< null: gradients of microbatches are added as they are
  /// Puts what the delay policy adds up over a parameter into the call's moment; null: it adds nothing up.
  void (*sums)(update_call&) = nullptr;
  /// The delay policy sees w become g; null: it does not, or sees, changes or bounds more than weights.
  void (*watch_update)(update_call const&) = nullptr;
  // Of these, on an asynchronous device.
  call_numbers<weight_call> forward_numbers{}, backward_numbers{};
  call_numbers<gradient_call> gradient_numbers{};
  int optimizer_states = 0, delay_states = 0;
  int delay_sees = 0;                           ///< so many of the optimizer's states
  bool delay_needs_lag = false;                 ///< it acts only where B reads other weights than its F did
  bool delay_moves = false;                     ///< it moves weights after the optimizer has
  bool delay_on_all = false;                    ///< its states belong to every parameter, not only to those that B reads
  std::string_view optimizer_name, delay_name;  ///< of the types
};

}  // namespace foal::table
