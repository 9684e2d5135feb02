#include <mbedtls/version.h>
#include <sqlite3.h>

#include <boost/version.hpp>
#include <print>

#include "firmware/cli/commands.hpp"

namespace firmware::cli {

int version() {
    std::println("branchbox {} ({})", BRANCHBOX_VERSION, BRANCHBOX_COMMIT);
    std::println("built with clang {}, Boost {}.{}.{}, mbedTLS {}, SQLite {}", __clang_version__, BOOST_VERSION / 100'000,
                 BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100, MBEDTLS_VERSION_STRING, SQLITE_VERSION);
    return exit_ok;
}

}  // namespace firmware::cli
