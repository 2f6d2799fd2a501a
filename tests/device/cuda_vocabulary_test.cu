// Embeddings, sinusoids and vocabularies in parts on the CUDA device against the host's in double.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;
using foal::device::joined_scores;
using foal::device::loss_sums;
using foal::device::vocabulary_part;

template <class S>
std::vector<S> many(int n, std::uint32_t stream) {
  return numbers<S>(static_cast<std::size_t>(n), stream);
}
/// Ids with many of one kind, and some that are none.
template <class S>
std::vector<S> ids(int rows, int vocabulary) {
  std::vector<S> id(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) id[static_cast<std::size_t>(r)] = static_cast<S>(r % 3 == 0 ? 1 : (r * 7) % vocabulary);
  if (rows > 4) id[2] = static_cast<S>(vocabulary), id[3] = S(-1), id[4] = std::numeric_limits<S>::quiet_NaN();
  return id;
}

struct table {
  int rows, vocabulary, width;
};
constexpr table tables[] = {{1, 2, 1}, {40, 11, 7}, {600, 50, 5}, {9, 300, 300}};

template <class T>
bool all_nan(std::vector<T> const& x, int row, int width) {
  bool all = true;
  for (int c = 0; c < width; ++c) all = all && std::isnan(x[static_cast<std::size_t>(row * width + c)]);
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("embedding on the GPU", "[cuda]", float, double) {
  using S = TestType;
  for (auto const [rows, vocabulary, width] : tables) {
    auto const y = many<S>(rows * width, 1), weight = many<S>(vocabulary * width, 2);
    auto known = ids<S>(rows, vocabulary);
    for (S& id : known)
      if (!(id >= 0 && id < static_cast<S>(vocabulary))) id = 0;
    auto const forward = [=](auto& d, auto const* id, auto const* w, auto* to) {
      d.embed_part(rows, {0, vocabulary}, vocabulary, width, id, w, std::remove_pointer_t<decltype(to)>(1.5), to);
    };
    CHECK(from_host_in_double(forward, known, weight, y) < op_bound<S>);
    auto const backward = [=](auto& d, auto const* id, auto const* dy, auto* dw) {
      d.embed_part_gradient(rows, {0, vocabulary}, width, id, dy, std::remove_pointer_t<decltype(dw)>(1.5), dw);
    };
    CHECK(from_host_in_double(backward, known, y, weight) < op_bound<S>);
    // A part of the vocabulary, behind another one.
    vocabulary_part const part{1, vocabulary / 2};
    auto const rest = std::vector<S>(weight.begin(), weight.begin() + part.count * width);
    auto const later = [=](auto& d, auto const* id, auto const* w, auto* to) {
      d.embed_part(rows, part, vocabulary, width, id, w, std::remove_pointer_t<decltype(to)>(2), to);
    };
    CHECK(from_host_in_double(later, known, rest, y) < op_bound<S>);
    auto const later_gradient = [=](auto& d, auto const* id, auto const* dy, auto* dw) {
      d.embed_part_gradient(rows, part, width, id, dy, std::remove_pointer_t<decltype(dw)>(2), dw);
    };
    CHECK(from_host_in_double(later_gradient, known, y, rest) < op_bound<S>);
  }
}

TEMPLATE_TEST_CASE("an id that is not of the vocabulary gives NaN on the GPU and adds nothing", "[cuda]", float, double) {
  using S = TestType;
  int const rows = 40, vocabulary = 11, width = 7;
  with_workspace<cuda> gpu;
  auto const weight = many<S>(vocabulary * width, 2);
  array_on<cuda, S> id(gpu.device, ids<S>(rows, vocabulary)), w(gpu.device, weight), y(gpu.device, many<S>(rows * width, 3));
  gpu.device.embed(rows, vocabulary, width, id.data(), w.data(), S(1), y.data());
  for (int const r : {2, 3, 4}) CHECK(all_nan(y.values(), r, width));
  CHECK_FALSE(std::isnan(y.values()[0]));
  array_on<cuda, S> dw(gpu.device, weight);
  auto none = ids<S>(rows, vocabulary);
  for (S& i : none) i = static_cast<S>(vocabulary + 1);
  array_on<cuda, S> no_id(gpu.device, none);
  gpu.device.embed_gradient(rows, vocabulary, width, no_id.data(), w.data(), S(1), dw.data());
  CHECK(dw.values() == weight);
}

TEMPLATE_TEST_CASE("dropout on the GPU of elements that are not the first draws the host's mask", "[cuda]", float, double) {
  using S = TestType;
  for (int const before : {1, 4, 7, 30})
    for (int const elements : {1, 5, 700}) {
      int const samples = 3;
      auto const drop = [=](auto& d, auto const* x, auto* y) {
        using T = std::remove_pointer_t<decltype(y)>;
        d.dropout_from(samples, elements, {3, foal::purpose::dropout, 2, 40}, 1U << 22U, T(4) / 3, x, y, before);
      };
      CHECK(from_host_in_double(drop, many<S>(samples * elements, 1), many<S>(samples * elements, 2)) < op_bound<S>);
    }
}

TEST_CASE("columns of rows are copied on the GPU", "[cuda]") {
  with_workspace<cuda> gpu;
  auto const x = numbers<float>(30, 1), before = numbers<float>(40, 2);
  array_on<cuda, float> from(gpu.device, x), to(gpu.device, before);
  gpu.device.copy_rows(5, 3, static_cast<float const*>(from.data()) + 1, 6, to.data() + 2, 8);
  auto wanted = before;
  for (std::size_t r = 0; r < 5; ++r)
    for (std::size_t c = 0; c < 3; ++c) wanted[8 * r + 2 + c] = x[6 * r + 1 + c];
  CHECK(to.values() == wanted);
}

TEMPLATE_TEST_CASE("sinusoids on the GPU", "[cuda]", float, double) {
  for (int const channels : {1, 6, 33})
    for (int const first : {0, 70}) {
      auto const fill = [=](auto& d, auto* to) { d.sinusoids(first, 90, channels, to); };
      CHECK(from_host_in_double(fill, many<TestType>(90 * channels, 1)) < op_bound<TestType>);
    }
}

TEMPLATE_TEST_CASE("scores of a vocabulary in parts are joined on the GPU", "[cuda]", float, double) {
  using S = TestType;
  int const columns = joined_scores::columns;
  for (auto const& [rows, count] : {std::pair{1, 1}, std::pair{7, 30}, std::pair{5, 700}}) {
    vocabulary_part const first{0, count}, second{count, count};
    auto z = many<S>(rows * count, 1), z2 = many<S>(rows * count, 2);
    for (S& v : z) v *= 9;
    for (S& v : z2) v *= 9;
    if (count > 1) z[0] = z[1] = S(20);  // equal ones: the first
    std::vector<S> target(static_cast<std::size_t>(rows));
    for (int r = 0; r < rows; ++r) target[static_cast<std::size_t>(r)] = static_cast<S>((r * 7) % (2 * count));
    auto const joined = many<S>(rows * columns, 3), share = many<S>(2 * rows, 4);
    auto const forward = [=](auto& d, auto const* t, auto* a, auto* b, auto* after, auto* last, auto* s, auto* s2) {
      d.join_scores(rows, first, t, static_cast<decltype(t)>(nullptr), a, after, s);
      d.join_scores(rows, second, t, +after, b, last, s2);
    };
    CHECK(from_host_in_double(forward, target, z, z2, joined, joined, share, share) < op_bound<S>);
    auto const gradient = [=](auto& d, auto const* t, auto const* e, auto const* s, auto const* dafter, auto* dz,
                              auto* dbefore) { d.join_scores_gradient(rows, second, t, e, s, dafter, dz, dbefore); };
    CHECK(from_host_in_double(gradient, target, z, share, joined, z2, joined) < op_bound<S>);
    auto const scores_alone = [=](auto& d, auto const* t, auto const* e, auto const* s, auto const* dafter, auto* dz) {
      d.join_scores_gradient(rows, first, t, e, s, dafter, dz, static_cast<decltype(dz)>(nullptr));
    };
    CHECK(from_host_in_double(scores_alone, target, z, share, joined, z2) < op_bound<S>);
  }
}

TEMPLATE_TEST_CASE("scores of which a part has none are joined on the GPU", "[cuda]", float, double) {
  using S = TestType;
  with_workspace<cuda> gpu;
  S const none = -std::numeric_limits<S>::infinity(), nan = std::numeric_limits<S>::quiet_NaN();
  array_on<cuda, S> target(gpu.device, {0, 0, 0}), z(gpu.device, {none, none, 1, 2, nan, 2}),
      share(gpu.device, many<S>(6, 1));
  array_on<cuda, S> after(gpu.device, many<S>(15, 2));
  gpu.device.join_scores(3, {0, 2}, static_cast<S const*>(target.data()), static_cast<S const*>(nullptr), z.data(),
                         after.data(), share.data());
  auto const got = after.values();
  CHECK(got[joined_scores::log_sum] == none);
  CHECK(share.values()[0] == 0);
  CHECK(got[5 + joined_scores::largest_token] == 1);
  CHECK(std::isnan(got[10 + joined_scores::log_sum]));
}

TEMPLATE_TEST_CASE("cross-entropy of joined scores on the GPU", "[cuda]", float, double) {
  using S = TestType;
  int const vocabulary = 50;
  for (int const rows : {1, 300})
    for (double const smoothing : {0.0, 0.1}) {
      auto x = many<S>(rows * joined_scores::columns, 1);
      std::vector<std::int32_t> target(static_cast<std::size_t>(rows));
      for (int r = 0; r < rows; ++r) {
        target[static_cast<std::size_t>(r)] = r % 5 == 3 ? foal::device::ignored_target : (r * 7) % vocabulary;
        x[static_cast<std::size_t>(r * joined_scores::columns + joined_scores::largest_token)] =
            static_cast<S>(r % 2 == 0 ? (r * 7) % vocabulary : 3);
      }
      loss_sums wanted;
      auto const loss = [&](auto& d, auto const* p, std::int32_t const* t, auto* dx) {
        if constexpr (std::is_same_v<std::decay_t<decltype(d)>, cuda>) {
          array_on<cuda, loss_sums> to(d, {loss_sums{}});
          d.joined_cross_entropy(rows, vocabulary, p, t, smoothing, 3.0, dx, to.data());
          loss_sums const got = to.values()[0];
          CHECK(got.sum == Approx(wanted.sum).epsilon(op_bound<S>));
          CHECK(got.correct == wanted.correct);
          CHECK(got.counted == wanted.counted);
        } else {
          wanted = d.joined_cross_entropy(rows, vocabulary, p, t, smoothing, 3.0, dx);
        }
      };
      CHECK(from_host_in_double(loss, x, target, x) < op_bound<S>);
    }
  with_workspace<cuda> gpu;
  array_on<cuda, S> x(gpu.device, many<S>(5, 1)), dx(gpu.device, many<S>(5, 2));
  array_on<cuda, std::int32_t> target(gpu.device, {vocabulary});
  array_on<cuda, loss_sums> to(gpu.device, {loss_sums{}});
  gpu.device.joined_cross_entropy(1, vocabulary, static_cast<S const*>(x.data()), target.data(), 0.0, 1.0, dx.data(),
                                  to.data());
  CHECK(std::isnan(to.values()[0].sum));
  CHECK(to.values()[0].counted == 1);
  CHECK(all_nan(dx.values(), 0, 5));
}
