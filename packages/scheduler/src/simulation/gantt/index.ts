/** @fog/scheduler/simulation/gantt: runs as drawings. Pure: the same run gives the same SVG. */
export { type ChartOptions, type GanttBar, type GanttChart, ganttChart } from './chart.ts';
export { drawGantt } from './drawing.ts';
export { GANTT_LIMITS } from './limits.ts';
