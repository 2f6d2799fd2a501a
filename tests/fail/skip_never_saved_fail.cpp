// expected-error: unmatched skip: cannot add or pass through this tag, because no foal::save of it comes before
// A skip that ends and never began.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct shortcut_tag {};
struct net : foal::stages<foal::input<8>, foal::linear<8>, foal::linear<8>, foal::add<shortcut_tag>> {};

int main() { return foal::stage_count<net>; }
