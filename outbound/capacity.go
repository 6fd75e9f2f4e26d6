package outbound

import (
	"sync"
	"time"
)

const (
	// capacityTime is how long it is believed that a lane's hosts take few letters on a connection: to find out again costs one
	// connection.
	capacityTime  = 10 * time.Minute
	maxCapacities = 1000
)

// capacities remembers of lanes whose hosts ended a connection between two letters how many they had taken on it.
type capacities struct {
	mu    sync.Mutex
	known map[string]capacity
}

type capacity struct {
	letters int
	until   time.Time
}

// learn notes that a connection of the lane ended after so many letters. When too many lanes are known it is not noted.
func (k *capacities) learn(lane string, letters int, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = map[string]capacity{}
	}
	if len(k.known) >= maxCapacities {
		for name, c := range k.known {
			if now.After(c.until) {
				delete(k.known, name)
			}
		}
	}
	if _, ok := k.known[lane]; ok || len(k.known) < maxCapacities {
		k.known[lane] = capacity{letters: letters, until: now.Add(capacityTime)}
	}
}

// letters is how many letters a connection of the lane may carry: most, or fewer.
func (k *capacities) letters(lane string, most int, now time.Time) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.known[lane]; ok && now.Before(c.until) {
		return min(most, c.letters)
	}
	return most
}
