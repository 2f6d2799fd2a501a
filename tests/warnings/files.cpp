// Everything that reads, writes, prints and draws.
#include <foal/checkpoint/safetensors.hpp>
#include <foal/foal.hpp>
#include <foal/report/bar_chart.hpp>
#include <foal/report/html.hpp>
#include <foal/report/json_lines.hpp>
#include <foal/report/metrics.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/trace_json.hpp>
#include <foal/report/trace_svg.hpp>
#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/draw/text.hpp>

namespace {

struct net : foal::stages<foal::input<4>, foal::linear<4>, foal::linear<3>> {};
using run = foal::trainer<net, foal::loss::mean_squared_error, foal::schedule::injected, foal::optim::sgd>;

}  // namespace

int main() {
  run t({.microbatch_size = 2, .microbatches = 2});
  foal::checkpoint::write_safetensors("weights.safetensors", t);
  foal::checkpoint::read_safetensors("weights.safetensors", t);
  auto const cifar = foal::data::cifar10("cifar"), idx = foal::data::idx("idx");
  auto const array = foal::data::read_npy<double>("array.npy");
  foal::data::write_npy("array.npy", array.extent, array.values.data());
  foal::schedule::extent const two{.stages = 2, .ranks = 2, .microbatches = 2};
  foal::schedule::program p = foal::schedule::generate(foal::schedule::gpipe{}, two);
  std::string const drawn = foal::schedule::svg(p.view(), 1, "GPipe") + foal::schedule::lists(p.view());
  std::string const page = foal::report::html_page("a").paragraph(drawn).text();
  return cifar.train.size() + idx.train.size() + static_cast<long long>(page.size()) > 0 ? 0 : 1;
}
