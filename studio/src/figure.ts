/** One dancer: the skeleton, a capsule for every bone, a head, and a ring on the floor. Metres, y up. */

import * as THREE from "three";
import type { Skeleton } from "./api";

const LEFT = "#2f7fd6", RIGHT = "#d6602f";
// Torso and head tell the dancers of a group apart.
const MIDDLE = ["#8a94a3", "#7c5cc4", "#3f8f5f", "#b0873a", "#4b5563", "#b5548a", "#3a8fa3", "#8a6d5a"];
const UP = new THREE.Vector3(0, 1, 0);

/** Where a joint is. */
export type Pose = (joint: number) => THREE.Vector3;

export class Figure {
  readonly group = new THREE.Group();
  private readonly bones: { mesh: THREE.Mesh; from: number; to: number }[] = [];
  private readonly head: { mesh: THREE.Mesh; joint: number } | null = null;
  private readonly skeleton: THREE.LineSegments<THREE.BufferGeometry, THREE.LineBasicMaterial>;
  private readonly ring: THREE.Mesh<THREE.RingGeometry, THREE.MeshBasicMaterial>;

  constructor(skeleton: Skeleton, pose: Pose, index: number) {
    const middle = MIDDLE[index % MIDDLE.length] ?? "#8a94a3";
    skeleton.parents.forEach((parent, joint) => {
      if (parent < 0) return;
      const name = skeleton.joints[joint] ?? "", length = pose(joint).distanceTo(pose(parent));
      const colour = /^(l|left)/i.test(name) ? LEFT : /^(r|right)/i.test(name) ? RIGHT : middle;
      const torso = /spine|pelvis|neck|collar|hip/i.test(name);
      const radius = torso ? 0.065 : Math.min(0.055, Math.max(0.024, length * 0.17));
      const geometry = new THREE.CapsuleGeometry(radius, Math.max(length - radius, 0.01), 4, 12);
      this.bones.push({ mesh: this.add(geometry, colour), from: parent, to: joint });
    });
    const joint = skeleton.joints.findIndex((name) => /head/i.test(name));
    if (joint >= 0) this.head = { mesh: this.add(new THREE.SphereGeometry(0.1, 20, 12), middle), joint };
    this.skeleton = makeSkeleton(this.bones.length);
    this.group.add(this.skeleton);
    this.ring = new THREE.Mesh(
      new THREE.RingGeometry(0.34, 0.4, 64), new THREE.MeshBasicMaterial({ transparent: true, side: THREE.DoubleSide }),
    );
    this.ring.rotation.x = -Math.PI / 2;
    this.group.add(this.ring);
    this.pose(pose);
  }

  pose(pose: Pose): void {
    const ends = this.skeleton.geometry.getAttribute("position") as THREE.BufferAttribute;
    this.bones.forEach(({ mesh, from, to }, index) => {
      const a = pose(from), b = pose(to);
      ends.setXYZ(2 * index, a.x, a.y, a.z).setXYZ(2 * index + 1, b.x, b.y, b.z);
      mesh.position.copy(a).add(b).multiplyScalar(0.5);
      mesh.quaternion.setFromUnitVectors(UP, b.sub(a).normalize());
    });
    ends.needsUpdate = true;
    if (this.head) this.head.mesh.position.copy(pose(this.head.joint)).addScaledVector(UP, 0.08);
    const root = pose(0);
    this.ring.position.set(root.x, 0.005, root.z);
  }

  /** Light the ring on a beat; `flash` from 0 to 1. */
  flash(flash: number, isDownbeat: boolean): void {
    this.ring.material.opacity = 0.15 + 0.85 * flash;
    this.ring.material.color.set(isDownbeat ? RIGHT : LEFT);
    this.ring.scale.setScalar(1 + 0.25 * flash);
  }

  dispose(): void {
    this.group.traverse((object) => {
      if (!(object instanceof THREE.Mesh || object instanceof THREE.LineSegments)) return;
      object.geometry.dispose();
      (object.material as THREE.Material).dispose();
    });
  }

  private add(geometry: THREE.BufferGeometry, colour: string): THREE.Mesh {
    const mesh = new THREE.Mesh(geometry, new THREE.MeshLambertMaterial({ color: colour }));
    this.group.add(mesh);
    return mesh;
  }
}

/** A line for every bone, seen through the body. */
function makeSkeleton(bones: number): THREE.LineSegments<THREE.BufferGeometry, THREE.LineBasicMaterial> {
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(6 * bones), 3));
  const material = new THREE.LineBasicMaterial({ color: "#ffffff", depthTest: false, transparent: true, opacity: 0.75 });
  const lines = new THREE.LineSegments(geometry, material);
  // Its bounds would be those of the first pose.
  lines.frustumCulled = false;
  return lines;
}
