package web

import (
	"net/http"
	"net/netip"
	"strings"

	"mxdesk/internal/network"
)

// clientOf is where a request came from. What came through a Unix socket is a proxy's, and has no address.
func (s *Site) clientOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return forwardedFor(peer.Addr(), s.cfg.Proxies, r.Header.Values("X-Forwarded-For"))
}

// forwardedFor is the client behind proxies of ours. Each of them adds at the right of X-Forwarded-For who asked it, and what stands
// left of that the client may have written himself. So from right to left: who is named by a proxy of ours was there, and is the client
// unless he is a proxy of ours too. What cannot be read names nobody, and then the proxy itself counts as the client. A peer without
// address, of a Unix socket, is a proxy of ours where there are any.
func forwardedFor(peer netip.Addr, proxies []netip.Prefix, fields []string) netip.Addr {
	if len(proxies) == 0 {
		return peer
	}
	client, chain := peer, strings.Join(fields, ",")
	for chain != "" && (!client.IsValid() || network.Contains(proxies, client)) {
		at := strings.LastIndexByte(chain, ',')
		hop, ok := hopAddress(strings.TrimSpace(chain[at+1:]))
		if !ok {
			break
		}
		client, chain = hop, chain[:max(at, 0)]
	}
	return client
}

// hopAddress reads one hop: an address, perhaps in brackets or with a port.
func hopAddress(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a.Addr(), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(text)
	return a, err == nil
}
