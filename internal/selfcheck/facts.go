package selfcheck

import "time"

// Clock compares the machine's clock with the database's: a look at the latter took that long and began at before.
func Clock(before time.Time, took time.Duration, database time.Time) (report Report) {
	const check, do = "clock", "run a time service (chrony, systemd-timesyncd) on both machines"
	off := max(before.Sub(database), database.Sub(before.Add(took)), 0)
	level := OK
	switch {
	case off > time.Minute:
		level = Error
	case off > 2*time.Second:
		level = Warning
	}
	if level == OK {
		report.Add(check, OK, "", "agrees with the database's")
	} else {
		report.Add(check, level, do, "is %v away from the database's", off.Round(100*time.Millisecond))
	}
	return report
}

// Disk judges the free space in the data folder; with less than least free, letters are refused.
func Disk(folder string, free, size, least int64) (report Report) {
	const check = "disk"
	text, mib := "%s: %d MiB of %d are free", int64(1<<20)
	switch {
	case free < least:
		report.Add(check, Error, "make room: letters are refused (smtp.min_free_space)", text, folder, free/mib, size/mib)
	case free < 4*least || free < size/20:
		report.Add(check, Warning, "make room before letters are refused (smtp.min_free_space)", text, folder, free/mib, size/mib)
	default:
		report.Add(check, OK, "", text, folder, free/mib, size/mib)
	}
	return report
}

// Schema compares the database's version with the program's.
func Schema(database, program int) (report Report) {
	const check = "schema"
	switch {
	case database > program:
		report.Add(check, Error, "run the newer release of mxdesk that migrated it", "the database has version %d, this program knows %d", database, program)
	case database < program:
		report.Add(check, Warning, "restart mxdesk serve, or run mxdesk migrate", "the database has version %d, this program brings %d", database, program)
	default:
		report.Add(check, OK, "", "version %d", database)
	}
	return report
}

// Backlog judges the queue: its deliveries, the age of the oldest that waits, and the destinations that fail.
func Backlog(waiting int, oldest time.Duration, failing, paused int) (report Report) {
	const check = "queue"
	level, do := OK, ""
	if waiting > 10_000 || oldest > 4*time.Hour || paused > 0 {
		level, do = Warning, "see mxdesk queue lanes"
	}
	if oldest > 24*time.Hour {
		level = Error
	}
	report.Add(check, level, do, "%d deliveries wait, the oldest for %v; %d destinations fail, %d are paused", waiting, oldest.Round(time.Second), failing, paused)
	return report
}

// DatabaseFacts is what is asked of PostgreSQL beside its settings.
type DatabaseFacts struct {
	Now               time.Time
	Version           string
	OldestTransaction time.Duration // the oldest that is open
	OldestSnapshot    int64         // transactions since what the oldest snapshot, slot or prepared transaction holds
	Wraparound        int64         // transactions since the oldest row that is not frozen
	Connections       int
	MaxConnections    int
}

// Database judges what hinders PostgreSQL from cleaning up, and from taking connections.
func Database(f DatabaseFacts) (report Report) {
	const check = "database"
	n := len(report)
	switch {
	case f.OldestTransaction > time.Hour:
		report.Add(check, Error, "end it: see pg_stat_activity", "a transaction is open for %v, and keeps the queue's tables from being cleaned", f.OldestTransaction.Round(time.Second))
	case f.OldestTransaction > 5*time.Minute:
		report.Add(check, Warning, "end it: see pg_stat_activity", "a transaction is open for %v", f.OldestTransaction.Round(time.Second))
	}
	if f.OldestSnapshot > 10_000_000 {
		report.Add(check, Warning, "see pg_stat_activity, pg_replication_slots and pg_prepared_xacts", "something holds rows of %d transactions ago", f.OldestSnapshot)
	}
	if f.Wraparound > 1_000_000_000 {
		report.Add(check, Error, "let VACUUM FREEZE run", "rows of %d transactions ago are not frozen; at 2,000,000,000 PostgreSQL stops", f.Wraparound)
	}
	if f.Connections*10 > f.MaxConnections*9 {
		report.Add(check, Warning, "raise max_connections, or use fewer", "%d of %d connections are in use", f.Connections, f.MaxConnections)
	}
	if len(report) == n {
		report.Add(check, OK, "", "PostgreSQL %s, %d of %d connections, no old transactions", f.Version, f.Connections, f.MaxConnections)
	}
	return report
}
