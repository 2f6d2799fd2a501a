// Weights to safetensors and back: layouts against a plain network in PyTorch's order, names, damage, atomic writing.
#include <cmath>
#include <cstring>

#include <foal/checkpoint/safetensors.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/transformer.hpp>

#include "tests/support/files.hpp"
#include "tests/support/learned.hpp"

namespace {

using namespace foal;
using Catch::Contains;
using checkpoint::read_safetensors;
using checkpoint::write_averaged_safetensors;
using checkpoint::write_safetensors;
using foal_test::temporary_directory;

constexpr int channels = 2, height = 3, width = 4, filters = 3, hidden = 5, class_count = 4;

struct net : stages<input<channels, height, width>, conv<filters, 3>, relu, flatten, batch_norm, relu, linear<hidden>, relu,
                    linear<class_count>> {};
template <class S, class Schedule = schedule::gpipe>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, scalar<S>>;

template <class Trainer>
typename Trainer::config config(std::uint64_t seed) {
  typename Trainer::config c;
  c.microbatch_size = 4;
  c.microbatches = 2;
  c.seed = seed;
  c.lr.rate = 0.2;
  return c;
}

/// Anything to train on, images channels last as foal stores them.
struct samples {
  template <class S>
  void inputs(long long m, S* x, S*) const {
    for (int i = 0; i < 4 * channels * height * width; ++i)
      x[i] = static_cast<S>(std::sin(1.7 * i + 0.9 * static_cast<double>(m)));
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) t[i] = static_cast<std::int32_t>((i + m) % class_count);
  }
};

template <class Trainer>
void train(Trainer& t) {
  executor::run_request request;
  request.minibatches = 10;
  t.run(samples{}, request);
}

using numbers = std::vector<double>;

numbers array(checkpoint::safetensors_content const& c, std::string const& name, std::vector<std::uint64_t> const& shape) {
  for (auto const& t : c.tensors)
    if (t.name == name) {
      CHECK(t.shape == shape);
      CHECK(t.dtype == "F64");
      numbers v((t.end - t.begin) / 8);
      std::memcpy(v.data(), c.buffer.data() + t.begin, v.size() * 8);
      return v;
    }
  FAIL("no " << name);
  return {};
}

/// One sample whose pixels are given channels first, as PyTorch has them.
struct one_image {
  numbers x;  // [channels][height][width]
  std::int32_t label = 0;
  long long size() const { return 1; }
  foal::shape sample() const { return image(channels, height, width); }
  int target_size() const { return 1; }
  int classes() const { return class_count; }
  template <class S>
  void write_sample(long long, S* to) const {
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < height * width; ++i)
        to[i * channels + c] = static_cast<S>(x[static_cast<std::size_t>(c * height * width + i)]);
  }
  template <class T>
  void write_target(long long, T* to) const {
    *to = static_cast<T>(label);
  }
};

numbers torch_linear(numbers const& w, numbers const& b, numbers const& x) {
  numbers y = b;
  for (std::size_t o = 0; o < b.size(); ++o)
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
  return y;
}

/// Loss of the net, computed from the file's arrays alone, everything channels first.
double torch_loss(checkpoint::safetensors_content const& c, one_image const& sample) {
  constexpr int h = height, w = width;
  std::uint64_t const flat = filters * h * w;
  numbers const k = array(c, "0.conv.weight", {filters, channels, 3, 3}), kb = array(c, "0.conv.bias", {filters});
  numbers y;
  for (int o = 0; o < filters; ++o)
    for (int r = 0; r < h; ++r)
      for (int q = 0; q < w; ++q) {
        double sum = kb[static_cast<std::size_t>(o)];
        for (int i = 0; i < channels; ++i)
          for (int a = -1; a <= 1; ++a)
            for (int b = -1; b <= 1; ++b)
              if (r + a >= 0 && r + a < h && q + b >= 0 && q + b < w)
                sum += k[static_cast<std::size_t>(((o * channels + i) * 3 + a + 1) * 3 + b + 1)] *
                       sample.x[static_cast<std::size_t>((i * h + r + a) * w + q + b)];
        y.push_back(std::max(sum, 0.0));
      }
  numbers const gamma = array(c, "3.batch_norm.gamma", {flat}), beta = array(c, "3.batch_norm.beta", {flat});
  numbers const mean = array(c, "3.batch_norm.running_mean", {flat}),
                var = array(c, "3.batch_norm.running_variance", {flat});
  for (std::size_t i = 0; i < flat; ++i)
    y[i] = std::max(0.0, (y[i] - mean[i]) / std::sqrt(var[i] + 1e-5) * gamma[i] + beta[i]);
  y = torch_linear(array(c, "5.linear.weight", {hidden, flat}), array(c, "5.linear.bias", {hidden}), y);
  for (double& v : y) v = std::max(v, 0.0);
  y = torch_linear(array(c, "7.linear.weight", {class_count, hidden}), array(c, "7.linear.bias", {class_count}), y);
  double sum = 0;
  for (double v : y) sum += std::exp(v);
  return std::log(sum) - y[static_cast<std::size_t>(sample.label)];
}

}  // namespace

TEST_CASE("what is written is the network in PyTorch's layouts") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  run<double> t(config<run<double>>(1));
  train(t);
  write_safetensors(path, t, {{"epoch", "10"}, {"note", "a \"quoted\" note"}});
  auto const content = checkpoint::read_safetensors_file(path);
  CHECK(content.about.at("format") == "pt");
  CHECK(content.about.at("epoch") == "10");
  CHECK(content.about.at("note") == "a \"quoted\" note");
  CHECK(content.about.at("foal.model").find("net") != std::string::npos);
  CHECK(content.tensors.size() == 10);
  one_image sample;
  for (int i = 0; i < channels * height * width; ++i) sample.x.push_back(std::cos(0.3 * i * i));
  for (sample.label = 0; sample.label < class_count; ++sample.label)
    CHECK(t.evaluate(sample).loss == Approx(torch_loss(content, sample)).epsilon(1e-12));

  run<double, schedule::pipemare> other(config<run<double, schedule::pipemare>>(2));
  CHECK(test::learned(other) != test::learned(t));
  CHECK(read_safetensors(path, other) == content.about);
  CHECK(test::learned(other) == test::learned(t));

  run<float> narrow(config<run<float>>(3));
  read_safetensors(path, narrow);
  auto const exact = test::learned(t);
  CHECK(test::learned(narrow) == std::vector<float>(exact.begin(), exact.end()));
  write_safetensors(path, narrow);
  read_safetensors(path, other);
  auto const rounded = test::learned(narrow);
  CHECK(test::learned(other) == numbers(rounded.begin(), rounded.end()));
}

namespace {

struct linear_first : stages<input<channels, height, width>, flatten, group_norm<2>, linear<class_count>> {};
struct skip_first : stages<input<channels, height, width>, flatten, residual<linear<24>>, linear<class_count>> {};
struct narrow_net : stages<input<3>, linear<2>, relu, linear<2>> {};
struct wide_net : stages<input<3>, linear<4>, relu, linear<2>> {};
struct long_net : stages<input<3>, linear<2>, relu, linear<2>, relu, linear<2>> {};
struct tiny : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                     .decoder_layers = 1,
                                                     .width = 8,
                                                     .heads = 2,
                                                     .hidden = 8,
                                                     .source_vocabulary = 9,
                                                     .target_vocabulary = 9,
                                                     .longest = 5,
                                                     .shared = zoo::sharing::all}> {};
template <class Net>
using plain = trainer<Net, loss::cross_entropy, schedule::gpipe>;

}  // namespace

TEST_CASE("orders that PyTorch does not have are refused") {
  temporary_directory const folder;
  plain<linear_first> a({});
  CHECK_THROWS_WITH(write_safetensors(folder / "a", a),
                    Contains("layer 1 (group_norm) stands between a flatten and the first"));
  plain<skip_first> b({});
  CHECK_THROWS_WITH(write_safetensors(folder / "b", b), Contains("a skip connection begins or ends between a flatten"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a Transformer with one matrix over its tokens goes to a file and back") {
  temporary_directory const here;
  using translation = trainer<tiny, loss::cross_entropy, schedule::pipemare>;
  translation a({.seed = 1}), b({.seed = 2});
  std::string const path = here / "t.safetensors";
  write_safetensors(path, a);
  CHECK(a.all_weights() != b.all_weights());
  read_safetensors(path, b);
  CHECK(a.all_weights() == b.all_weights());
}

namespace {

/// Sequences for the tiny Transformer: the target is the source.
struct copied {
  static int words(long long i) { return 1 + static_cast<int>(i % 4); }
  long long size() const { return 24; }
  int axes() const { return 2; }
  int length(long long i, int) const { return words(i) + 1; }
  int longest(int) const { return 5; }
  int entries() const { return 3; }
  int entry_axis(int e) const { return e == 0 ? 1 : e == 1 ? 0 : 2; }
  long long weight(long long i) const { return words(i) + 1; }
  static int token(long long i, int p) { return 3 + static_cast<int>((i * 5 + p * 2) % 6); }
  template <class S>
  void write_entry(long long i, int e, int row, S* x) const {
    int const n = words(i);
    if (e == 1) *x = static_cast<S>(n + 1);
    for (int p = 0; e != 1 && p < row; ++p) {
      bool const word = e == 0 ? p < n : p > 0 && p <= n;
      x[p] = static_cast<S>(word ? token(i, e == 0 ? p : p - 1) : e == 0 && p == n ? 2 : e == 2 && p == 0 ? 1 : 0);
    }
  }
  void write_target(long long i, int row, std::int32_t* t) const {
    int const n = words(i);
    for (int p = 0; p < row; ++p) t[p] = p < n ? token(i, p) : p == n ? 2 : data::ignored_target;
  }
};

template <class Net, class Schedule>
using averaging = trainer<Net, loss::cross_entropy, Schedule, optim::averaged<optim::momentum>>;

/// The average of a trained `from`, through a file, is what `to` evaluates, bit for bit.
template <class From, class To, class Source>
void check_average(From& from, To& to, Source const& data, std::string const& path) {
  CHECK(foal_test::complaint([&] { write_averaged_safetensors(path, from); }).find("because there were 0 updates") !=
        std::string::npos);
  CHECK_FALSE(std::filesystem::exists(path));
  from.fit(data, {.epochs = 3, .quiet = true});
  auto const average = from.evaluate_average(data);
  CHECK(average.loss != from.evaluate(data).loss);
  write_averaged_safetensors(path, from, {{"note", "a best one"}});
  auto const about = read_safetensors(path, to);
  CHECK(about.at(checkpoint::weights_key) == "average");
  CHECK(about.at("note") == "a best one");
  CHECK(to.evaluate(data).loss == average.loss);
  CHECK(to.evaluate(data).accuracy == average.accuracy);
  write_safetensors(path, from);
  CHECK(read_safetensors(path, to).count(checkpoint::weights_key) == 0);
  predictor<typename From::model_type> p({});
  CHECK(read_safetensors(path, p).count(checkpoint::weights_key) == 0);
  CHECK(p.run().all_weights() == from.all_weights());
  CHECK(to.evaluate(data).loss == from.evaluate(data).loss);
}

}  // namespace

TEST_CASE("averaged weights go to a file and are evaluated alike in another trainer") {
  temporary_directory const here;
  SECTION("a net with running statistics") {
    std::vector<float> x(24 * channels * height * width);
    std::vector<std::int32_t> y(24);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(1.7F * static_cast<float>(i));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % class_count);
    averaging<net, schedule::pipemare> a({.microbatch_size = 4, .microbatches = 2, .seed = 1, .lr = {.rate = 0.05}});
    run<float> b(config<run<float>>(2));
    check_average(a, b, data::memory<float>(image(channels, height, width), x, y), here / "w");
  }
  SECTION("a Transformer whose stages share a matrix") {
    averaging<tiny, schedule::pipemare> a({.microbatch_size = 4, .microbatches = 2, .seed = 1, .lr = {.rate = 0.05}});
    plain<tiny> b({.seed = 2});
    check_average(a, b, copied{}, here / "t");
  }
}

TEST_CASE("tensors that do not fit the model are named, and nothing changes") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  plain<narrow_net> narrow({});
  plain<wide_net> wide({});
  plain<long_net> longer({});
  auto const before = wide.all_weights(), before_longer = longer.all_weights();
  write_safetensors(path, narrow);
  CHECK_THROWS_WITH(read_safetensors(path, wide),
                    Contains("because its 0.linear.weight has the shape [2, 3] where [4, 3] is expected"));
  CHECK_THROWS_WITH(read_safetensors(path, longer), Contains("because it lacks 4.linear.weight, 4.linear.bias; use"));
  CHECK(wide.all_weights() == before);
  CHECK(longer.all_weights() == before_longer);
  write_safetensors(path, longer);
  CHECK_THROWS_WITH(read_safetensors(path, narrow),
                    Contains("it has 4.linear.weight, 4.linear.bias, which the model has not; use"));
  auto content = checkpoint::read_safetensors_file(path);
  content.tensors[0].dtype = "I32";
  checkpoint::write_safetensors_file(path, content);
  CHECK_THROWS_WITH(read_safetensors(path, longer),
                    Contains("its 0.linear.weight is of type I32 where F32, F64, F16 or BF16 is"));
}

TEST_CASE("narrow floating point is read exactly, and what PyTorch counts is passed over with a note") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  plain<narrow_net> from({.seed = 1}), to({.seed = 2});
  for (int s = 0; s < static_cast<int>(from.tables().stages.size()); ++s)
    for (std::size_t p = 0; p < from.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++p) {
      auto w = from.weights(s, p);
      for (float& v : w) v = static_cast<float>(std::lround(v * 64)) / 64;  // both types hold these
      from.set_weights(s, p, w);
    }
  write_safetensors(path, from);
  auto const wide = checkpoint::read_safetensors_file(path);
  for (std::string const type : {"F16", "BF16"}) {
    checkpoint::safetensors_content narrow{{{"note", "by hand"}}, wide.tensors, {}};
    for (auto& t : narrow.tensors) {
      std::uint64_t const begin = narrow.buffer.size();
      for (std::uint64_t at = t.begin; at < t.end; at += 4) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, wide.buffer.data() + at, 4);
        std::uint32_t const magnitude = bits & 0x7fffffffU;
        std::uint32_t const half = type == "BF16"    ? bits >> 16U
                                   : magnitude == 0U ? bits >> 16U
                                                     : (bits >> 16U & 0x8000U) | (magnitude - 0x38000000U) >> 13U;
        narrow.buffer.push_back(static_cast<std::uint8_t>(half & 0xffU));
        narrow.buffer.push_back(static_cast<std::uint8_t>(half >> 8U));
      }
      t.dtype = type;
      t.begin = begin;
      t.end = narrow.buffer.size();
    }
    narrow.tensors.push_back(
        {"2.batch_norm.num_batches_tracked", "I64", {}, narrow.buffer.size(), narrow.buffer.size() + 8});
    narrow.buffer.resize(narrow.buffer.size() + 8);
    checkpoint::write_safetensors_file(path, narrow);
    to.set_weights(0, 0, std::vector<float>(6, 9.0F));
    auto const about = read_safetensors(path, to);
    CHECK(to.all_weights() == from.all_weights());
    CHECK(about.at(checkpoint::skipped_key) == "2.batch_norm.num_batches_tracked");
    write_safetensors(path, to, about);
    CHECK(read_safetensors(path, from).count(checkpoint::skipped_key) == 0);
  }
}

TEST_CASE("a file of weights that cannot be written is said in a sentence") {
  temporary_directory const folder;
  plain<narrow_net> t({});
  CHECK(foal_test::complaint([&] { write_safetensors(folder / "none/w", t); }).find("cannot write") == 0);
  std::string const path = folder / "w";
  write_safetensors(path, t,
                    {{"data",
                      "gr\xc3\xb6\xc3\x9f"
                      "e"}});
  CHECK(read_safetensors(path, t).at("data") ==
        "gr\xc3\xb6\xc3\x9f"
        "e");
  CHECK_THAT(foal_test::complaint([&] {
               write_safetensors(path, t,
                                 {{"data",
                                   "/daten/gr\xf6\xdf"
                                   "e:de-en"}});
             }),
             Contains("because its metadata 'data' is not UTF-8: its byte 9 is 246; "));
  CHECK(read_safetensors(path, t).at("data") ==
        "gr\xc3\xb6\xc3\x9f"
        "e");
}
