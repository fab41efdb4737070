/** Tables of what services and daemons are paid for; see tables.ts. */

export interface PeriodTables {
  paid_services: PaidServicesTable;
  paid_leases: PaidLeasesTable;
}

/** A job of a deployment that is paid by periods, until its last period is paid. */
export interface PaidServicesTable {
  job_id: string;
  /** Of the deployment. */
  principal: string;
  name: string;
  /** When its period began. */
  began_at: number;
  /** Until then is known which of its replicas were healthy. */
  looked_at: number;
}

/** A lease that was healthy in the period of its job, or may become so. */
export interface PaidLeasesTable {
  job_id: string;
  partition: number;
  fence: number;
  /** Whose node it is: as the attempt has it, which may be forgotten before the period is paid. */
  payee: string;
  /** Micro-FOG for a slice, likewise. */
  price: number;
  /** Of its program, at the last look: another number means that it was away between. */
  restarts: number;
  /** Null while it is not healthy. */
  healthy_since: number | null;
  /** In this period, before `healthy_since`. */
  healthy_milliseconds: number;
}
