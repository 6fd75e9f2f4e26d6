package ticketing

import (
	"context"
	"fmt"
	"time"

	"mxdesk/internal/id"
)

// ReportFilter narrows the list of received reports; what is "" or zero does not.
type ReportFilter struct {
	Kind   string
	Domain string
	State  string
	Before id.ID // the cursor
	Limit  int
}

// Reports lists received reports, the newest first.
func (s *Service) Reports(ctx context.Context, organisation int32, f ReportFilter) ([]Report, error) {
	f.Limit = page(f.Limit)
	return selectReports(ctx, s.pool, organisation, f)
}

// Report returns one received report and its lines.
func (s *Service) Report(ctx context.Context, organisation int32, report id.ID) (Report, []ReportLine, error) {
	r, lines, err := selectReport(ctx, s.pool, organisation, report)
	return r, lines, notFound(err)
}

// maxReportSpan bounds what one summary adds up.
const maxReportSpan = 366 * 24 * time.Hour

// ReportDaysFilter says which days are summed up.
type ReportDaysFilter struct {
	From, To time.Time // the first and the one after the last
	Kind     string
	Domain   string
}

// ReportDay is what all reports together say of a domain on a day (UTC): one result and how often.
type ReportDay struct {
	Day         time.Time
	Domain      string
	Kind        string
	Result      string
	Disposition string
	Quantity    int64
}

// ReportDays sums up the received reports by day, the newest first.
func (s *Service) ReportDays(ctx context.Context, organisation int32, f ReportDaysFilter) ([]ReportDay, error) {
	if !f.From.Before(f.To) || f.To.Sub(f.From) > maxReportSpan {
		return nil, fmt.Errorf("%w: a span of one day to one year", ErrInvalid)
	}
	return selectReportDays(ctx, s.pool, organisation, f)
}
