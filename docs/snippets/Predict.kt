// Kotlin on Android: implementation("com.google.ai.edge.litert:litert:1.4.0"), pressed-int8.tflite in assets.
import android.content.Context
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel.MapMode.READ_ONLY
import kotlin.math.round
import org.tensorflow.lite.Interpreter

/** Class index of 784 grey pixels, 0 to 255, light on dark; the manifest's contract says mean 0 and std 255. */
fun predict(context: Context, pixels: ByteArray): Int {
    val model = context.assets.openFd("pressed-int8.tflite").use {
        it.createInputStream().channel.map(READ_ONLY, it.startOffset, it.declaredLength)
    }
    Interpreter(model).use { interpreter ->
        val steps = interpreter.getInputTensor(0).quantizationParams()
        val input = ByteBuffer.allocateDirect(pixels.size).order(ByteOrder.nativeOrder())
        for (pixel in pixels) {
            val real = (pixel.toInt() and 0xff) * (1 / 255f)
            input.put((round(real / steps.scale) + steps.zeroPoint).coerceIn(-128f, 127f).toInt().toByte())
        }
        val output = Array(1) { ByteArray(interpreter.getOutputTensor(0).shape()[1]) }
        interpreter.run(input.rewind(), output)
        // One scale for all classes: the largest integer is the most probable class.
        return output[0].indices.maxBy { output[0][it] }
    }
}
