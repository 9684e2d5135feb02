// The words that SPDY's header compression begins with. Each of the first is preceded by its length in four bytes, as header names
// are; the rest is plain text.
#include <algorithm>

#include "services/kubelet/streams/spdy.hpp"

namespace services::kubelet::streams {

namespace {

constexpr std::string_view words =
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|allow"
    "|authorization|cache-control|connection|content-base|content-encoding|content-language|content-length|content-lo"
    "cation|content-md5|content-range|content-type|date|etag|expect|expires|from|host|if-match|if-modified-since|if-n"
    "one-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|proxy-authenticate|proxy-autho"
    "rization|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|warning|www-a"
    "uthenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|origin";
constexpr std::string_view text =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Inter"
    "nal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00"
    ":00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,applic"
    "ation/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1"
    ",utf-,*,enq=0.";

}  // namespace

const std::string& spdy_dictionary() {
    static const std::string dictionary = [] {
        std::string made;
        for (std::size_t at = 0; at < words.size();) {
            const auto end = std::min(words.find('|', at), words.size());
            made.append(3, '\0');
            made += static_cast<char>(end - at);
            made += words.substr(at, end - at);
            at = end + 1;
        }
        return made.append(text);
    }();
    return dictionary;
}

}  // namespace services::kubelet::streams
