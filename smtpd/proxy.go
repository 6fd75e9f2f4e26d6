package smtpd

import (
	"bufio"
	"io"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"mxdesk/internal/network"
)

const (
	proxyTimeout = 10 * time.Second // for the PROXY header; its sender is on our side
	maxProxy     = 4 << 10          // octets of it that are read
)

// unproxy reads the header of the PROXY protocol, version 1 or 2, and takes the client's address from it. Only those in
// Config.ProxyNetworks are asked for one, and they must send it: without it everybody behind them would be them. It tells
// whether the connection goes on.
func (w *wire) unproxy() bool {
	if !w.setDeadline(w.srv.cfg.Now().Add(proxyTimeout)) {
		w.out = w.out[:0]
		w.lost(errStopping, reply{})
		return false
	}
	buffered := bufio.NewReader(io.LimitReader(w.raw, maxProxy))
	header, err := proxyproto.Read(buffered)
	r := reply{}
	switch {
	case err != nil && w.isStopping():
		r = replyStopping
	case err != nil:
		r = replyBadProxy
	case buffered.Buffered() > 0:
		r = replyEarlyTalker
	default:
		w.client, r = proxied(header, w.client)
	}
	if r.isZero() {
		return true
	}
	w.out = w.out[:0] // in place of the banner
	w.hangUp(r)
	return false
}

// proxied is the client that a header names; the proxy itself when it speaks for itself, to see whether we are well.
func proxied(h *proxyproto.Header, proxy netip.Addr) (netip.Addr, reply) {
	if h.Command.IsLocal() {
		return proxy, reply{}
	}
	client := network.Client(h.SourceAddr)
	if !client.IsValid() {
		return client, replyBadProxy
	}
	return client, reply{}
}
