package outbound

import "testing"

// TestProcessors: the last processor is given away when many wait, and only then; a single one is not kept.
func TestProcessors(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		p := newProcessors(n)
		var held []func()
		for range max(n-1, 1) {
			held = append(held, p.take())
		}
		if n > 1 {
			p.waiting.Add(crowd)
			free := p.take() // or it waits for ever
			p.waiting.Add(-crowd)
			free()
		}
		got := make(chan func())
		go func() { got <- p.take() }()
		for p.waiting.Load() == 0 { // it waits
			select {
			case <-got:
				t.Fatalf("%d processors: the last one was given to the first who came", n)
			default:
			}
		}
		for _, free := range held {
			free()
		}
		(<-got)()
		if len(p.usual)+len(p.last) != 0 || p.waiting.Load() != 0 {
			t.Errorf("%d processors: %d are not given back", n, len(p.usual)+len(p.last))
		}
	}
}
