#include <boost/version.hpp>
#include <print>

#include "firmware/cli/commands.hpp"
#include "hal/disk/sqlite.hpp"
#include "hal/net/tls.hpp"

namespace firmware::cli {

int version() {
    std::println("branchbox {} ({})", BRANCHBOX_VERSION, BRANCHBOX_COMMIT);
    std::println("built with clang {}, Boost {}.{}.{}, mbedTLS {}, SQLite {}", __clang_version__, BOOST_VERSION / 100'000,
                 BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100, hal::net::tls_library_version(), hal::disk::sqlite_version());
    return exit_ok;
}

}  // namespace firmware::cli
