package dns

import (
	"container/list"
	"time"
)

// cache keeps the answers used last, within a number and a size. It has no lock of its own.
type cache struct {
	entries, bytes       int
	maxEntries, maxBytes int
	order                *list.List // of *cached, most recently used first
	byQuestion           map[question]*list.Element
}

type cached struct {
	q       question
	f       *flight
	expires time.Time
}

func newCache(entries, bytes int) *cache {
	return &cache{maxEntries: entries, maxBytes: bytes, order: list.New(), byQuestion: make(map[question]*list.Element)}
}

// cost is what an entry takes, about.
func (e *cached) cost() int { return 256 + len(e.q.name) + 2*e.f.result.size }

func (c *cache) get(q question, now time.Time) (*flight, bool) {
	el, ok := c.byQuestion[q]
	if !ok {
		return nil, false
	}
	e := el.Value.(*cached)
	if !now.Before(e.expires) {
		c.drop(el)
		return nil, false
	}
	c.order.MoveToFront(el)
	return e.f, true
}

func (c *cache) put(q question, f *flight, expires time.Time) {
	if el, ok := c.byQuestion[q]; ok {
		c.drop(el)
	}
	e := &cached{q, f, expires}
	c.byQuestion[q] = c.order.PushFront(e)
	c.entries++
	c.bytes += e.cost()
	for c.entries > c.maxEntries || c.bytes > c.maxBytes {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(el *list.Element) {
	e := c.order.Remove(el).(*cached)
	delete(c.byQuestion, e.q)
	c.entries--
	c.bytes -= e.cost()
}
