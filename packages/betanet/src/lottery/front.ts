/** What other parts use of the lottery. */
export {
  isValidVrfKey,
  type ProofSteps,
  proofSteps as vrfProofSteps,
  proofToHash as vrfProofToHash,
  prove as vrfProve,
  VRF_KEY_BYTES,
  VRF_OUTPUT_BYTES,
  VRF_PROOF_BYTES,
  verify as vrfVerify,
  vrfPublicKey,
} from './ecvrf.ts';
export { PARTS_PER_MILLION } from './fixed-point.ts';
export {
  type Candidate,
  type Draw,
  drawRelays,
  type LotteryParameters,
  lotteryInput,
  NOT_DRAWN_REASONS,
  type NotDrawnReason,
  raceKey,
  type Seat,
  type VerifyProof,
  verifyProof,
  weightOf,
} from './relay-lottery.ts';
export { NO_ECONOMY, type Standing, type StandingSource } from './standing.ts';
export {
  LOTTERY_FAULTS,
  type LotteryFault,
  type LotteryFaultCode,
  type LotteryVerdict,
  verifyLottery,
} from './verify-lottery.ts';
